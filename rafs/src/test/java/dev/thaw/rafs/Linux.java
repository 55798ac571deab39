package dev.thaw.rafs;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The few system calls that the tests need and that Java has no form of: mounting file-backed EROFS, and looking at files whose
 * names are any bytes. Strings are of bytes (ISO 8859-1), numbers those of 64-bit Linux on every architecture with the unified
 * table (fsopen and friends), struct statx is the same on all.
 */
@SuppressWarnings("restricted") // calling the kernel is its purpose
final class Linux {
    private static final int MOVE_MOUNT = 429;
    private static final int FSOPEN = 430;
    private static final int FSCONFIG = 431;
    private static final int FSMOUNT = 432;
    private static final int FSCONFIG_SET_FLAG = 0;
    private static final int FSCONFIG_SET_STRING = 1;
    private static final int FSCONFIG_CMD_CREATE = 6;
    private static final int MOVE_MOUNT_F_EMPTY_PATH = 4;
    private static final int AT_FDCWD = -100;
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int STATX_BYTES = 256;
    private static final int DIRENT_NAME = 19;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MemoryLayout CAPTURED = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CAPTURED.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final MemorySegment NULL = MemorySegment.NULL;
    private static final ValueLayout LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout INT = ValueLayout.JAVA_INT;
    private static final ValueLayout POINTER = ValueLayout.ADDRESS;

    private static final MethodHandle SYSCALL = handle("syscall", LONG, LONG, LONG, LONG, LONG, LONG, LONG);
    private static final MethodHandle UMOUNT = handle("umount2", INT, POINTER, INT);
    private static final MethodHandle CLOSE = handle("close", INT, INT);
    private static final MethodHandle OPEN = handle("open", INT, POINTER, INT);
    private static final MethodHandle READ = handle("read", LONG, INT, POINTER, LONG);
    private static final MethodHandle OPENDIR = handle("opendir", POINTER, POINTER);
    private static final MethodHandle READDIR = handle("readdir", POINTER, POINTER);
    private static final MethodHandle CLOSEDIR = handle("closedir", INT, POINTER);
    private static final MethodHandle STATX = handle("statx", INT, INT, POINTER, INT, INT, POINTER);
    private static final MethodHandle READLINK = handle("readlink", LONG, POINTER, POINTER, LONG);
    private static final MethodHandle LLISTXATTR = handle("llistxattr", LONG, POINTER, POINTER, LONG);
    private static final MethodHandle LGETXATTR = handle("lgetxattr", LONG, POINTER, POINTER, POINTER, LONG);
    private static final MethodHandle GETEUID = handle("geteuid", INT);

    private Linux() {}

    /** A call that failed, with its errno. */
    static final class CallFailed extends IOException {
        private static final long serialVersionUID = 1;
        private final int errno;

        CallFailed(String call, int errno) {
            super(call + ": errno " + errno);
            this.errno = errno;
        }

        int errno() {
            return errno;
        }
    }

    static boolean isRoot() throws IOException {
        return (int) call("geteuid", GETEUID) == 0;
    }

    /** Mounts EROFS read-only straight on a regular file, with one device file per blob. */
    static void mountErofs(String source, List<String> devices, String target) throws IOException {
        try (var arena = Arena.ofConfined()) {
            int context =
                    (int) (long) call("fsopen erofs", SYSCALL, (long) FSOPEN, address(arena, "erofs"), 0L, 0L, 0L, 0L);
            try {
                config(arena, context, FSCONFIG_SET_STRING, "source", source);
                for (String device : devices) {
                    config(arena, context, FSCONFIG_SET_STRING, "device", device);
                }
                config(arena, context, FSCONFIG_SET_FLAG, "ro", "");
                config(arena, context, FSCONFIG_CMD_CREATE, "", "");
                int mount = (int) (long) call("fsmount", SYSCALL, (long) FSMOUNT, (long) context, 0L, 0L, 0L, 0L);
                try {
                    call(
                            "move_mount to " + target,
                            SYSCALL,
                            (long) MOVE_MOUNT,
                            (long) mount,
                            address(arena, ""),
                            (long) AT_FDCWD,
                            address(arena, target),
                            (long) MOVE_MOUNT_F_EMPTY_PATH);
                } finally {
                    call("close", CLOSE, mount);
                }
            } finally {
                call("close", CLOSE, context);
            }
        }
    }

    private static void config(Arena arena, int context, int command, String key, String value) throws IOException {
        var name = key.isEmpty() ? NULL : string(arena, key);
        var text = value.isEmpty() ? NULL : string(arena, value);
        call(
                "fsconfig " + command + " " + key + " " + value,
                SYSCALL,
                (long) FSCONFIG,
                (long) context,
                (long) command,
                name.address(),
                text.address(),
                0L);
    }

    static void unmount(String target) throws IOException {
        unmount(target, 0);
    }

    static void unmount(String target, int flags) throws IOException {
        try (var arena = Arena.ofConfined()) {
            call("umount " + target, UMOUNT, string(arena, target), flags);
        }
    }

    /** Looks at everything below a directory, the directory itself being "". */
    static Map<String, Seen> tree(String root) throws IOException {
        var seen = new TreeMap<String, Seen>();
        walk(root, "", seen, new TreeMap<>());
        return seen;
    }

    private static void walk(String root, String path, Map<String, Seen> seen, Map<Long, String> firstNames)
            throws IOException {
        String file = path.isEmpty() ? root : root + "/" + path;
        var at = look(file, path, firstNames);
        seen.put(path, at);
        if ((at.mode() & Inode.TYPE_MASK) == Inode.TYPE_DIRECTORY) {
            for (String name : list(file)) {
                walk(root, path.isEmpty() ? name : path + "/" + name, seen, firstNames);
            }
        }
    }

    private static Seen look(String file, String path, Map<Long, String> firstNames) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var name = string(arena, file);
            var stat = arena.allocate(STATX_BYTES, 8);
            call("statx " + path, STATX, AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, stat);
            int mode = stat.get(ValueLayout.JAVA_SHORT, 28) & 0xffff;
            int type = mode & Inode.TYPE_MASK;
            boolean device = type == Inode.TYPE_CHARACTER_DEVICE || type == Inode.TYPE_BLOCK_DEVICE;
            long inode = stat.get(ValueLayout.JAVA_LONG, 32);
            return new Seen(
                    mode,
                    Integer.toUnsignedLong(stat.get(ValueLayout.JAVA_INT, 20)),
                    Integer.toUnsignedLong(stat.get(ValueLayout.JAVA_INT, 24)),
                    stat.get(ValueLayout.JAVA_LONG, 112),
                    stat.get(ValueLayout.JAVA_INT, 120),
                    stat.get(ValueLayout.JAVA_INT, 16),
                    type == Inode.TYPE_DIRECTORY ? 0 : stat.get(ValueLayout.JAVA_LONG, 40),
                    type == Inode.TYPE_SYMLINK ? target(arena, name) : "",
                    device ? stat.get(ValueLayout.JAVA_INT, 128) + ":" + stat.get(ValueLayout.JAVA_INT, 132) : "",
                    xattrs(arena, name),
                    type == Inode.TYPE_REGULAR ? content(arena, file) : "",
                    firstNames.computeIfAbsent(inode, i -> path));
        }
    }

    private static List<String> list(String directory) throws IOException {
        var names = new ArrayList<String>();
        try (var arena = Arena.ofConfined()) {
            var stream = (MemorySegment) call("opendir " + directory, OPENDIR, string(arena, directory));
            if (stream.equals(NULL)) {
                throw new IOException("cannot open " + directory);
            }
            try {
                while (true) {
                    var entry = (MemorySegment) call("readdir", READDIR, stream);
                    if (entry.equals(NULL)) {
                        break;
                    }
                    String name =
                            entry.reinterpret(DIRENT_NAME + 256).getString(DIRENT_NAME, StandardCharsets.ISO_8859_1);
                    if (!name.equals(".") && !name.equals("..")) {
                        names.add(name);
                    }
                }
            } finally {
                call("closedir", CLOSEDIR, stream);
            }
        }
        names.sort(null);
        return names;
    }

    private static String target(Arena arena, MemorySegment name) throws IOException {
        var buffer = arena.allocate(8192);
        long n = (long) call("readlink", READLINK, name, buffer, 8192L);
        return new String(buffer.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
    }

    private static Map<String, String> xattrs(Arena arena, MemorySegment name) throws IOException {
        var names = arena.allocate(65536);
        long n = (long) call("llistxattr", LLISTXATTR, name, names, 65536L);
        var xattrs = new TreeMap<String, String>();
        for (long at = 0; at < n; ) {
            String xattr = names.getString(at, StandardCharsets.ISO_8859_1);
            var value = arena.allocate(65536);
            long length = (long) call("lgetxattr " + xattr, LGETXATTR, name, names.asSlice(at), value, 65536L);
            xattrs.put(xattr, HexFormat.of().formatHex(value.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE)));
            at += xattr.length() + 1;
        }
        return xattrs;
    }

    private static String content(Arena arena, String file) throws IOException {
        int descriptor = (int) call("open " + file, OPEN, string(arena, file), 0);
        try {
            var sha256 = ChunkHasher.sha256();
            var buffer = arena.allocate(1 << 16);
            while (true) {
                long n = (long) call("read " + file, READ, descriptor, buffer, 1L << 16);
                if (n == 0) {
                    return HexFormat.of().formatHex(sha256.digest());
                }
                sha256.update(buffer.asSlice(0, n).asByteBuffer());
            }
        } finally {
            call("close", CLOSE, descriptor);
        }
    }

    private static MemorySegment string(Arena arena, String text) {
        return arena.allocateFrom(text, StandardCharsets.ISO_8859_1);
    }

    private static long address(Arena arena, String text) {
        return string(arena, text).address();
    }

    private static MethodHandle handle(String name, ValueLayout result, ValueLayout... arguments) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().find(name).orElseThrow(),
                FunctionDescriptor.of(result, arguments),
                Linker.Option.captureCallState("errno"));
    }

    /** Calls, and turns -1 into an exception. */
    private static Object call(String what, MethodHandle handle, Object... arguments) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var state = arena.allocate(CAPTURED);
            var all = new ArrayList<Object>();
            all.add(state);
            all.addAll(List.of(arguments));
            Object result = handle.invokeWithArguments(all);
            if (result instanceof Number number && number.longValue() == -1) {
                throw new CallFailed(what, (int) ERRNO.get(state, 0L));
            }
            return result;
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(what, e);
        }
    }
}
