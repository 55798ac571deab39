package dev.thaw.agent.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;

/**
 * libc, for 64-bit little-endian Linux. Hot calls (read, write, pread) return the result or minus the error number and
 * allocate nothing; the others throw {@link SystemCallFailed}.
 */
@SuppressWarnings("restricted") // binding libc is what this class is for
public final class Libc {
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_CREAT = 0x40;
    public static final int O_CLOEXEC = 0x80000;

    public static final int MS_RDONLY = 1;
    public static final int MS_NOSUID = 2;
    public static final int MS_NODEV = 4;
    public static final int MS_NOEXEC = 8;
    /** Detach now, release when nobody uses it any more. */
    public static final int MNT_DETACH = 2;

    private static final int FALLOC_FL_KEEP_SIZE = 1;
    private static final int FALLOC_FL_PUNCH_HOLE = 2;
    private static final int F_SETSIG = 10;
    private static final int F_SETLEASE = 1024;
    private static final int F_WRLCK = 1;
    private static final int F_UNLCK = 2;
    private static final int SIGURG = 23;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final VarHandle ERRNO_VALUE =
            Linker.Option.captureStateLayout().varHandle(MemoryLayout.PathElement.groupElement("errno"));
    // Virtual threads come and go: the segment must go with its thread, which a global arena would not let it.
    private static final ThreadLocal<MemorySegment> STATE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(Linker.Option.captureStateLayout()));

    private static final MethodHandle READ = function("read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle WRITE = function("write", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle WRITEV = function("writev", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle PREAD = function("pread", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PWRITE = function("pwrite", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle OPEN = variadic("open", 2, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    private static final MethodHandle CLOSE = function("close", JAVA_INT, JAVA_INT);
    private static final MethodHandle LSEEK = function("lseek", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    private static final MethodHandle FDATASYNC = function("fdatasync", JAVA_INT, JAVA_INT);
    private static final MethodHandle FCNTL = variadic("fcntl", 2, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);

    /** What a process that takes mounts over does not need: each shape of call takes milliseconds to bind. */
    private static final class Later {
        static final MethodHandle FTRUNCATE = function("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
        static final MethodHandle FALLOCATE = function("fallocate", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
        static final MethodHandle MOUNT = function("mount", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
        static final MethodHandle UMOUNT2 = function("umount2", JAVA_INT, ADDRESS, JAVA_INT);
        static final MethodHandle SYSCALL5 =
                variadic("syscall", 1, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

        private Later() {}
    }

    private Libc() {}

    static MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow(name), FunctionDescriptor.of(result, arguments), ERRNO);
    }

    static MethodHandle variadic(String name, int firstVariadic, MemoryLayout result, MemoryLayout... arguments) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(result, arguments),
                ERRNO,
                Linker.Option.firstVariadicArg(firstVariadic));
    }

    static MemorySegment state() {
        return STATE.get();
    }

    static int result(int returned, MemorySegment state) {
        return returned >= 0 ? returned : -(int) ERRNO_VALUE.get(state, 0L);
    }

    static long result(long returned, MemorySegment state) {
        return returned >= 0 ? returned : -(int) ERRNO_VALUE.get(state, 0L);
    }

    /** A method handle's {@code Throwable} is never more than an unchecked one: the linker adds none of its own. */
    static RuntimeException unchecked(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException runtime ? runtime : new IllegalStateException(thrown);
    }

    private static int checked(String call, int result) throws SystemCallFailed {
        if (result < 0) {
            throw new SystemCallFailed(call, -result);
        }
        return result;
    }

    /** read(2). @return the number of bytes read, or minus the error number */
    public static long read(int descriptor, MemorySegment into, long bytes) {
        var state = STATE.get();
        try {
            return result((long) READ.invokeExact(state, descriptor, into, bytes), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** write(2). @return the number of bytes written, or minus the error number */
    public static long write(int descriptor, MemorySegment from, long bytes) {
        var state = STATE.get();
        try {
            return result((long) WRITE.invokeExact(state, descriptor, from, bytes), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /**
     * writev(2).
     *
     * @param vector {@code struct iovec[count]}: address and length, 8 bytes each
     * @return the number of bytes written, or minus the error number
     */
    public static long writev(int descriptor, MemorySegment vector, int count) {
        var state = STATE.get();
        try {
            return result((long) WRITEV.invokeExact(state, descriptor, vector, count), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** pread(2), repeated. @return the number of bytes read, fewer than asked for only at the end of the file; or minus the error number */
    public static long pread(int descriptor, MemorySegment into, long bytes, long offset) {
        var state = STATE.get();
        try {
            long done = 0;
            while (done < bytes) {
                // Nearly always the first call reads all; a view made for it would be the only garbage of a read.
                var rest = done == 0 ? into : into.asSlice(done);
                long n = result((long) PREAD.invokeExact(state, descriptor, rest, bytes - done, offset + done), state);
                if (n == 0) {
                    break;
                }
                if (n < 0 && n != -Errno.EINTR) {
                    return n;
                }
                done += Math.max(n, 0);
            }
            return done;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** Writes all of the bytes. */
    public static void pwrite(int descriptor, MemorySegment from, long bytes, long offset, String what)
            throws SystemCallFailed {
        var state = STATE.get();
        long done = 0;
        while (done < bytes) {
            long n;
            try {
                n = result(
                        (long) PWRITE.invokeExact(state, descriptor, from.asSlice(done), bytes - done, offset + done),
                        state);
            } catch (Throwable t) {
                throw unchecked(t);
            }
            if (n < 0 && n != -Errno.EINTR) {
                throw new SystemCallFailed("write " + what + " at " + (offset + done), (int) -n);
            }
            done += Math.max(n, 0);
        }
    }

    /** open(2). @return the descriptor, close-on-exec */
    public static int open(Path path, int flags) throws SystemCallFailed {
        var state = STATE.get();
        try (var arena = Arena.ofConfined()) {
            return checked(
                    "open " + path,
                    result(
                            (int) OPEN.invokeExact(state, arena.allocateFrom(path.toString()), flags | O_CLOEXEC, 0600),
                            state));
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** Closes; a descriptor is gone whatever close(2) says, so what it says is of no use. */
    public static void close(int descriptor) {
        var state = STATE.get();
        try {
            result((int) CLOSE.invokeExact(state, descriptor), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    public static void ftruncate(int descriptor, long bytes, String what) throws SystemCallFailed {
        var state = STATE.get();
        try {
            checked("truncate " + what, result((int) Later.FTRUNCATE.invokeExact(state, descriptor, bytes), state));
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** Gives the range's disk space back; it reads as zeros from then on. */
    public static void punchHole(int descriptor, long offset, long bytes, String what) throws SystemCallFailed {
        var state = STATE.get();
        try {
            checked(
                    "punch a hole into " + what,
                    result(
                            (int) Later.FALLOCATE.invokeExact(
                                    state, descriptor, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, bytes),
                            state));
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    public static void fdatasync(int descriptor, String what) throws SystemCallFailed {
        var state = STATE.get();
        try {
            checked("sync " + what, result((int) FDATASYNC.invokeExact(state, descriptor), state));
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /**
     * Whether the file is open a second time, by whatever process or by the kernel itself, as a mounted EROFS has its devices
     * open. The kernel gives a write lease (fcntl(2), F_SETLEASE) only on a file that nobody else has open.
     *
     * @param descriptor open for writing, and the only one of the caller's that is open on the file
     * @throws SystemCallFailed when the file system knows no leases
     */
    public static boolean isOpenElsewhere(int descriptor, String what) throws SystemCallFailed {
        // Whoever opens the file while we have the lease makes the kernel signal us: by one that is ignored, not by
        // SIGIO,
        // which would end the process.
        checked("choose the lease's signal for " + what, fcntl(descriptor, F_SETSIG, SIGURG));
        int leased = fcntl(descriptor, F_SETLEASE, F_WRLCK);
        if (leased == -Errno.EAGAIN) {
            return true;
        }
        checked("lease " + what, leased);
        checked("give the lease back for " + what, fcntl(descriptor, F_SETLEASE, F_UNLCK));
        return false;
    }

    private static int fcntl(int descriptor, int command, long argument) {
        var state = STATE.get();
        try {
            return result((int) FCNTL.invokeExact(state, descriptor, command, argument), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** The first offset at or after {@code from} that holds data, or −1 when there is none. */
    public static long nextData(int descriptor, long from, String what) throws SystemCallFailed {
        return seek(descriptor, from, SEEK_DATA, what);
    }

    /** The first offset at or after {@code from} that is a hole (the end of the file is one), or −1 beyond the end. */
    public static long nextHole(int descriptor, long from, String what) throws SystemCallFailed {
        return seek(descriptor, from, SEEK_HOLE, what);
    }

    private static long seek(int descriptor, long from, int whence, String what) throws SystemCallFailed {
        var state = STATE.get();
        long at;
        try {
            at = result((long) LSEEK.invokeExact(state, descriptor, from, whence), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
        if (at < 0 && at != -Errno.ENXIO) {
            throw new SystemCallFailed("seek in " + what, (int) -at);
        }
        return at < 0 ? -1 : at;
    }

    /** mount(2). */
    public static void mount(String source, Path target, String type, long flags, String options)
            throws SystemCallFailed {
        var state = STATE.get();
        try (var arena = Arena.ofConfined()) {
            checked(
                    "mount " + type + " on " + target,
                    result(
                            (int) Later.MOUNT.invokeExact(
                                    state,
                                    arena.allocateFrom(source),
                                    arena.allocateFrom(target.toString()),
                                    arena.allocateFrom(type),
                                    flags,
                                    arena.allocateFrom(options)),
                            state));
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** umount2(2). */
    public static void unmount(Path target, int flags) throws SystemCallFailed {
        var state = STATE.get();
        try (var arena = Arena.ofConfined()) {
            checked(
                    "unmount " + target,
                    result(
                            (int) Later.UMOUNT2.invokeExact(state, arena.allocateFrom(target.toString()), flags),
                            state));
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw unchecked(t);
        }
    }

    /** syscall(2), for calls that libc has no name for everywhere. Numbers are those of the generic table (asm-generic/unistd.h). */
    static long syscall(String call, long number, long a, long b, long c, long d, long e) throws SystemCallFailed {
        var state = STATE.get();
        long returned;
        try {
            returned = result((long) Later.SYSCALL5.invokeExact(state, number, a, b, c, d, e), state);
        } catch (Throwable t) {
            throw unchecked(t);
        }
        if (returned < 0) {
            throw new SystemCallFailed(call, (int) -returned);
        }
        return returned;
    }
}
