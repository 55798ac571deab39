package dev.thaw.agent.mount;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.thaw.agent.AgentException.Misconfigured;
import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.linux.Errno;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.Inode;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import jnr.ffi.Struct;
import jnr.ffi.provider.jffi.NativeRuntime;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import ru.serce.jnrfuse.FuseStubFS;

/**
 * An image's tree behind libfuse 2. jnr-fuse loads the library, knows its structs and runs its loop. But it hands paths over
 * as strings, and a name that is no UTF-8 would be lost; and it makes objects for each call. So the operations are put into its
 * table as functions of our own, which get the bytes as they are and write straight into libfuse's memory.
 */
// Pointers that libfuse hands over have no size; operations are found by their names, with the parameters that libfuse
// gives.
@SuppressWarnings({"restricted", "UnusedMethod", "UnusedVariable"})
final class LibFuseTree extends FuseStubFS {
    private static final Logger LOG = LoggerFactory.getLogger(LibFuseTree.class);
    private static final int LONGEST_PATH = 1 << 20;
    private static final int FILE_INFO_BYTES = 40;
    /** Of {@code fh} in {@code struct fuse_file_info}: flags, fh_old, writepage and a bit field come before it. */
    static final int FILE_HANDLE = 24;

    private static final int STATVFS_BYTES = 112;
    private static final int ACCESS_MODE = 3;
    private static final FunctionDescriptor FILLER =
            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    private static final MethodHandle FILL = Linker.nativeLinker().downcallHandle(FILLER);
    private static final List<String> OPTIONS = List.of(
            "ro",
            "suid",
            "dev",
            "allow_other",
            "default_permissions",
            "use_ino",
            "kernel_cache",
            "entry_timeout=86400",
            "attr_timeout=86400",
            "negative_timeout=86400",
            "max_readahead=1048576",
            "fsname=thaw",
            "subtype=thaw");

    private final ImageTree tree;
    private final FuseMetrics metrics;
    private final StatLayout layout = StatLayout.here();

    LibFuseTree(ImageTree tree, FuseMetrics metrics, Arena arena) {
        this.tree = tree;
        this.metrics = metrics;
        put(arena, fuseOperations.getattr, "attributesOf", ADDRESS, ADDRESS);
        put(arena, fuseOperations.readlink, "targetOf", ADDRESS, ADDRESS, JAVA_LONG);
        put(arena, fuseOperations.open, "openFile", ADDRESS, ADDRESS);
        put(arena, fuseOperations.read, "readFile", ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS);
        put(arena, fuseOperations.readdir, "listDirectory", ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
        put(arena, fuseOperations.getxattr, "attributeValue", ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
        put(arena, fuseOperations.listxattr, "attributeNames", ADDRESS, ADDRESS, JAVA_LONG);
        put(arena, fuseOperations.statfs, "statFileSystem", ADDRESS, ADDRESS);
    }

    /** @throws Misconfigured when libfuse 2 cannot be loaded */
    static void requireLibrary() throws Misconfigured {
        try (var arena = Arena.ofConfined()) {
            if (NativeRuntime.getInstance() == null || arena.scope() == null) {
                throw new Misconfigured("driver fuse needs a native runtime");
            }
            new FuseStubFS() {};
        } catch (UnsatisfiedLinkError | RuntimeException e) {
            throw new Misconfigured(
                    "driver fuse needs libfuse 2 (Debian: libfuse2 or libfuse2t64), which cannot be loaded: "
                            + e.getMessage(),
                    e);
        }
    }

    /** Mounts and serves until it is unmounted. @return libfuse's exit code, 0 when all went well */
    int serve(Path point) {
        var arguments = new String[] {"thaw", "-f", point.toString(), "-o", String.join(",", OPTIONS)};
        return libFuse.fuse_main_real(arguments.length, arguments, fuseOperations, Struct.size(fuseOperations), null);
    }

    private void put(
            Arena arena, jnr.ffi.BaseStruct.Func<?> slot, String method, java.lang.foreign.MemoryLayout... arguments) {
        var descriptor = FunctionDescriptor.of(JAVA_INT, arguments);
        try {
            var handle = MethodHandles.lookup().bind(this, method, descriptor.toMethodType());
            var function = Linker.nativeLinker().upcallStub(handle, descriptor, arena);
            Struct.getMemory(fuseOperations).putAddress(slot.offset(), function.address());
        } catch (NoSuchMethodException | IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    /** One operation; its result is libfuse's: 0 or more, or minus an error number. */
    @FunctionalInterface
    private interface Operation {
        int run() throws CorruptImageException, ReadFailed, InterruptedException;
    }

    /** Every operation passes here: it is timed, and nothing thrown reaches native code. */
    private int answer(FuseMetrics.Call call, Operation operation) {
        long begun = System.nanoTime();
        int result = -Errno.EIO;
        try {
            result = operation.run();
        } catch (ReadFailed e) {
            LOG.warn("a read of image {} failed: {}", tree.image().name(), e.getMessage());
        } catch (InterruptedException e) {
            result = -Errno.EINTR;
        } catch (CorruptImageException e) {
            LOG.error("the bootstrap of image {} is corrupt: {}", tree.image().name(), e.getMessage());
        } catch (Throwable t) {
            LOG.error("operation {} on image {} failed", call, tree.image().name(), t);
        }
        metrics.answered(call, System.nanoTime() - begun, Math.max(-result, 0));
        return result;
    }

    /** What a path leads to is handed to the operation; a path that leads nowhere is answered here. */
    @FunctionalInterface
    private interface NodeOperation {
        int run(long nid) throws CorruptImageException, ReadFailed, InterruptedException;
    }

    private int answer(FuseMetrics.Call call, MemorySegment path, NodeOperation operation) {
        return answer(call, () -> {
            var nid = tree.find(bytes(path));
            return nid.isEmpty() ? -Errno.ENOENT : operation.run(nid.getAsLong());
        });
    }

    private int attributesOf(MemorySegment path, MemorySegment stat) {
        return answer(FuseMetrics.Call.GETATTR, path, nid -> {
            layout.write(stat.reinterpret(layout.bytes()), tree.inode(nid));
            return 0;
        });
    }

    private int targetOf(MemorySegment path, MemorySegment buffer, long size) {
        return answer(FuseMetrics.Call.READLINK, path, nid -> {
            if (!tree.inode(nid).isSymlink()) {
                return -Errno.EINVAL;
            }
            var target = tree.image().bootstrap().symlinkTarget(nid);
            int length = (int) Math.min(target.length, size - 1);
            var out = buffer.reinterpret(size);
            MemorySegment.copy(target, 0, out, JAVA_BYTE, 0, length);
            out.set(JAVA_BYTE, length, (byte) 0);
            return 0;
        });
    }

    private int openFile(MemorySegment path, MemorySegment information) {
        return answer(FuseMetrics.Call.OPEN, path, nid -> {
            var file = information.reinterpret(FILE_INFO_BYTES);
            if ((file.get(JAVA_INT, 0) & ACCESS_MODE) != 0) {
                return -Errno.EROFS;
            }
            file.set(JAVA_LONG, FILE_HANDLE, nid);
            return 0;
        });
    }

    private int readFile(MemorySegment path, MemorySegment buffer, long size, long offset, MemorySegment information) {
        return answer(FuseMetrics.Call.READ, () -> {
            long nid = information.reinterpret(FILE_INFO_BYTES).get(JAVA_LONG, FILE_HANDLE);
            return tree.read(nid, offset, size, buffer.reinterpret(size));
        });
    }

    private int listDirectory(
            MemorySegment path, MemorySegment buffer, MemorySegment filler, long offset, MemorySegment information) {
        return answer(FuseMetrics.Call.READDIR, path, nid -> {
            try (var arena = Arena.ofConfined()) {
                var stat = arena.allocate(layout.bytes(), 8);
                var text = arena.allocate(256);
                tree.image().bootstrap().list(nid, (name, child, type) -> {
                    layout.writeEntry(stat, child, typeBits(type));
                    MemorySegment.copy(name, 0, text, JAVA_BYTE, 0, name.length);
                    text.set(JAVA_BYTE, name.length, (byte) 0);
                    return fill(filler, buffer, text, stat) == 0;
                });
            }
            return 0;
        });
    }

    private static int fill(MemorySegment filler, MemorySegment buffer, MemorySegment name, MemorySegment stat) {
        try {
            return (int) FILL.invokeExact(filler, buffer, name, stat, 0L);
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable t) {
            throw new IllegalStateException(t);
        }
    }

    /** The directory entry's type (EROFS) as mode bits. */
    private static int typeBits(int type) {
        return switch (type) {
            case 1 -> Inode.TYPE_REGULAR;
            case 2 -> Inode.TYPE_DIRECTORY;
            case 3 -> Inode.TYPE_CHARACTER_DEVICE;
            case 4 -> Inode.TYPE_BLOCK_DEVICE;
            case 5 -> Inode.TYPE_FIFO;
            case 6 -> Inode.TYPE_SOCKET;
            case 7 -> Inode.TYPE_SYMLINK;
            default -> 0;
        };
    }

    private int attributeValue(MemorySegment path, MemorySegment name, MemorySegment value, long size) {
        return answer(FuseMetrics.Call.XATTR, path, nid -> {
            if (!tree.inode(nid).hasXattrs()) {
                return -Errno.ENODATA;
            }
            var wanted = bytes(name);
            for (var attribute : tree.image().bootstrap().xattrs(nid)) {
                if (Arrays.equals(attribute.name(), wanted)) {
                    return give(attribute.value(), value, size);
                }
            }
            return -Errno.ENODATA;
        });
    }

    private int attributeNames(MemorySegment path, MemorySegment list, long size) {
        return answer(FuseMetrics.Call.XATTR, path, nid -> {
            var names = new ByteArrayOutputStream();
            if (tree.inode(nid).hasXattrs()) {
                for (var attribute : tree.image().bootstrap().xattrs(nid)) {
                    names.writeBytes(attribute.name());
                    names.write(0);
                }
            }
            return give(names.toByteArray(), list, size);
        });
    }

    /** Size 0 asks how much there is. */
    private static int give(byte[] content, MemorySegment target, long size) {
        if (size == 0) {
            return content.length;
        }
        if (content.length > size) {
            return -Errno.ERANGE;
        }
        MemorySegment.copy(content, 0, target.reinterpret(size), JAVA_BYTE, 0, content.length);
        return content.length;
    }

    /** {@code struct statvfs}: bsize, frsize, blocks, bfree, bavail, files, ffree, favail, fsid, flag, namemax. */
    private int statFileSystem(MemorySegment path, MemorySegment result) {
        return answer(FuseMetrics.Call.OTHER, () -> {
            var out = result.reinterpret(STATVFS_BYTES);
            out.fill((byte) 0);
            long bytes = 0;
            for (var device : tree.image().devices()) {
                bytes += device.sizeBytes();
            }
            out.set(JAVA_LONG, 0, 4096);
            out.set(JAVA_LONG, 8, 4096);
            out.set(JAVA_LONG, 16, (bytes + 4095) / 4096);
            out.set(JAVA_LONG, 40, tree.image().bootstrap().inodeCount());
            out.set(JAVA_LONG, 80, 255);
            return 0;
        });
    }

    private static byte[] bytes(MemorySegment text) {
        var unbounded = text.reinterpret(LONGEST_PATH);
        int length = 0;
        while (unbounded.get(JAVA_BYTE, length) != 0) {
            length++;
        }
        return unbounded.asSlice(0, length).toArray(JAVA_BYTE);
    }
}
