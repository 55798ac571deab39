package dev.thaw.agent.snapshot;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.Charset;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Set;

/**
 * Measures what a directory takes: allocated blocks and inodes, hard links once, as containerd's overlayfs snapshotter does
 * (its {@code continuity/fs.DiskUsage}). {@code java.nio.file} knows neither blocks nor names that are no text; so this asks
 * libc: opendir(3), readdir(3), statx(2), layouts of 64-bit Linux.
 */
final class DiskUsage {
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;
    private static final int STATX_TYPE_NLINK_INO_BLOCKS = 0x1 | 0x4 | 0x100 | 0x400;

    private static final int S_IFMT = 0xF000;
    private static final int S_IFDIR = 0x4000;
    private static final int ENOENT = 2;
    private static final int BLOCK_BYTES = 512;

    // struct statx, <linux/stat.h>: stx_nlink, stx_mode, stx_ino, stx_blocks, stx_dev_major, stx_dev_minor
    private static final int STATX_BYTES = 256;
    private static final int NLINK = 16;
    private static final int MODE = 28;
    private static final int INO = 32;
    private static final int BLOCKS = 48;
    private static final int DEVICE_MAJOR = 136;
    private static final int DEVICE_MINOR = 140;

    // struct dirent: d_ino 8, d_off 8, d_reclen 2, d_type 1, then the name
    private static final int DIRENT_NAME = 19;
    private static final int NAME_MAX_BYTES = 256;

    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CALL_STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    private static final MethodHandle OPENDIR =
            withErrno("opendir", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private static final MethodHandle DIRFD =
            plain("dirfd", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
    private static final MethodHandle READDIR =
            plain("readdir", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private static final MethodHandle CLOSEDIR =
            plain("closedir", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
    private static final MethodHandle STATX = withErrno(
            "statx",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.ADDRESS,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.ADDRESS));

    private final Arena arena;
    private final MemorySegment state;
    private final MemorySegment statx;
    private final Set<Inode> linked = new HashSet<>();
    private final ArrayDeque<byte[]> directories = new ArrayDeque<>();
    private long blocks;
    private long inodes;

    private DiskUsage(Arena arena) {
        this.arena = arena;
        this.state = arena.allocate(CALL_STATE);
        this.statx = arena.allocate(STATX_BYTES, Long.BYTES);
    }

    private record Inode(int deviceMajor, int deviceMinor, long number) {}

    /**
     * What {@code directory} takes, itself included. What vanishes during the walk is not counted; directories whose path is
     * longer than the kernel takes (4096 bytes) are counted without what is in them.
     *
     * @throws IOException if the directory itself cannot be read
     */
    static Usage of(Path directory) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var walk = new DiskUsage(arena);
            walk.run(directory);
            return new Usage(walk.blocks * BLOCK_BYTES, walk.inodes);
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private void run(Path directory) throws Throwable {
        var top = directory
                .toAbsolutePath()
                .toString()
                .getBytes(Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8")));
        int error = count(-1, arena.allocateFrom(ValueLayout.JAVA_BYTE, terminated(top)), top, new byte[0]);
        if (error != 0) {
            throw new FileSystemException(directory.toString(), null, "errno " + error);
        }
        while (!directories.isEmpty()) {
            list(directories.pop());
        }
    }

    private void list(byte[] path) throws Throwable {
        try (var scratch = Arena.ofConfined()) {
            var name = scratch.allocateFrom(ValueLayout.JAVA_BYTE, terminated(path));
            var stream = (MemorySegment) OPENDIR.invokeExact(state, name);
            if (stream.address() == 0) {
                return;
            }
            try {
                int descriptor = (int) DIRFD.invokeExact(stream);
                while (true) {
                    var entry = (MemorySegment) READDIR.invokeExact(stream);
                    if (entry.address() == 0) {
                        return;
                    }
                    var entryName =
                            entry.reinterpret(DIRENT_NAME + NAME_MAX_BYTES).asSlice(DIRENT_NAME, NAME_MAX_BYTES);
                    var bytes = bytes(entryName);
                    if (!isDots(bytes)) {
                        count(descriptor, entryName, path, bytes);
                    }
                }
            } finally {
                int ignored = (int) CLOSEDIR.invokeExact(stream);
            }
        }
    }

    /** Counts one file and remembers it if it is a directory. Returns the errno, 0 for none. */
    private int count(int at, MemorySegment name, byte[] parent, byte[] child) throws Throwable {
        int result = (int) STATX.invokeExact(state, at, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE_NLINK_INO_BLOCKS, statx);
        if (result != 0) {
            int error = (int) ERRNO.get(state, 0L);
            return error == 0 ? ENOENT : error;
        }
        boolean directory = (statx.get(ValueLayout.JAVA_SHORT, MODE) & S_IFMT) == S_IFDIR;
        if (directory) {
            directories.push(child.length == 0 ? parent : joined(parent, child));
        } else if (statx.get(U32, NLINK) > 1
                && !linked.add(
                        new Inode(statx.get(U32, DEVICE_MAJOR), statx.get(U32, DEVICE_MINOR), statx.get(U64, INO)))) {
            return 0;
        }
        inodes++;
        blocks += statx.get(U64, BLOCKS);
        return 0;
    }

    private static boolean isDots(byte[] name) {
        return name.length == 1 && name[0] == '.' || name.length == 2 && name[0] == '.' && name[1] == '.';
    }

    private static byte[] bytes(MemorySegment name) {
        int length = 0;
        while (length < NAME_MAX_BYTES - 1 && name.get(ValueLayout.JAVA_BYTE, length) != 0) {
            length++;
        }
        return name.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    }

    private static byte[] joined(byte[] parent, byte[] child) {
        var path = new byte[parent.length + 1 + child.length];
        System.arraycopy(parent, 0, path, 0, parent.length);
        path[parent.length] = '/';
        System.arraycopy(child, 0, path, parent.length + 1, child.length);
        return path;
    }

    private static byte[] terminated(byte[] path) {
        var terminated = new byte[path.length + 1];
        System.arraycopy(path, 0, terminated, 0, path.length);
        return terminated;
    }

    private static MethodHandle plain(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type);
    }

    private static MethodHandle withErrno(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow(name), type, Linker.Option.captureCallState("errno"));
    }
}
