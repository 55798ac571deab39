package dev.thaw.agent.mount;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.linux.Errno;
import dev.thaw.agent.linux.Libc;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One thread that reads requests from the session and answers them. A read of what is on disk is answered at once, from the
 * thread's own native memory; one that must wait is handed to a virtual thread.
 */
final class FlatFuseServer implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(FlatFuseServer.class);
    private static final int REQUEST_BYTES = 64 << 10;
    private static final int REPLY_BYTES = 64 << 10;
    private static final long DAY_SECONDS = 86_400;
    private static final int DIRECTORY = 0040500;
    private static final int FILE = 0100400;
    private static final int HIGHEST_MINOR = 45;
    private static final int READS_AT_ONCE = 64;

    /** Reads that wait, by the request's number, so that a reader that is killed need not wait to the end. */
    private static final Map<Waiting, Thread> WAITING = new ConcurrentHashMap<>();

    private record Waiting(int session, long unique) {}

    private final int session;
    private final DeviceFiles files;
    private final FuseMetrics metrics;
    private final MemorySegment in = Arena.ofAuto().allocate(REQUEST_BYTES, 4096);
    private final MemorySegment out = Arena.ofAuto().allocate(REPLY_BYTES, 4096);
    private final MemorySegment data = Arena.ofAuto().allocate(FuseProtocol.MAX_READ_BYTES, 4096);
    private final MemorySegment vector = Arena.ofAuto().allocate(32, 8);

    FlatFuseServer(int session, DeviceFiles files, FuseMetrics metrics) {
        this.session = session;
        this.files = files;
        this.metrics = metrics;
    }

    /** Whether reads of a session wait for what is not at hand. */
    static boolean isWaitedFor(int session) {
        for (var waiting : WAITING.keySet()) {
            if (waiting.session == session) {
                return true;
            }
        }
        return false;
    }

    @Override
    public void run() {
        while (true) {
            long n = Libc.read(session, in, REQUEST_BYTES);
            if (n == -Errno.ENODEV) {
                return;
            }
            if (n < 0) {
                // ENOENT: the request was interrupted while we took it. Others pass as well, or come again and are seen
                // then.
                if (n != -Errno.EINTR && n != -Errno.EAGAIN && n != -Errno.ENOENT) {
                    LOG.error("reading a request from the kernel failed: {}", Errno.name((int) -n));
                    return;
                }
                continue;
            }
            if (files.areLeft()) {
                // The next process has the kernel send it again.
                return;
            }
            long begun = System.nanoTime();
            int opcode = in.get(JAVA_INT, 4);
            // A request that is sent again carries the top bit, and its answer must carry it too.
            long unique = in.get(JAVA_LONG, 8);
            try {
                int errno = handle(opcode, unique, in.get(JAVA_LONG, 16), begun);
                if (errno >= 0) {
                    metrics.answered(call(opcode), System.nanoTime() - begun, errno);
                }
            } catch (RuntimeException | Error e) {
                LOG.error("request {} of the kernel failed", opcode, e);
                fail(unique, Errno.EIO);
            }
        }
    }

    private static FuseMetrics.Call call(int opcode) {
        return switch (opcode) {
            case FuseProtocol.LOOKUP -> FuseMetrics.Call.LOOKUP;
            case FuseProtocol.GETATTR -> FuseMetrics.Call.GETATTR;
            case FuseProtocol.OPEN -> FuseMetrics.Call.OPEN;
            case FuseProtocol.READ -> FuseMetrics.Call.READ;
            case FuseProtocol.READDIR -> FuseMetrics.Call.READDIR;
            default -> FuseMetrics.Call.OTHER;
        };
    }

    /** @return what was answered, 0 or an error number; −1 when the answer comes later */
    private int handle(int opcode, long unique, long node, long begun) {
        return switch (opcode) {
            case FuseProtocol.READ ->
                read(
                        unique,
                        node,
                        in.get(JAVA_LONG, FuseProtocol.REQUEST_HEADER + 8),
                        in.get(JAVA_INT, FuseProtocol.REQUEST_HEADER + 16),
                        begun);
            case FuseProtocol.LOOKUP -> lookup(unique, node);
            case FuseProtocol.GETATTR -> attributes(unique, node);
            case FuseProtocol.OPEN -> open(unique, FuseProtocol.OPEN_KEEP_CACHE | FuseProtocol.OPEN_NO_FLUSH);
            case FuseProtocol.OPENDIR -> open(unique, 0);
            case FuseProtocol.READDIR ->
                list(
                        unique,
                        in.get(JAVA_LONG, FuseProtocol.REQUEST_HEADER + 8),
                        in.get(JAVA_INT, FuseProtocol.REQUEST_HEADER + 16));
            case FuseProtocol.FORGET, FuseProtocol.BATCH_FORGET -> 0;
            case FuseProtocol.INTERRUPT -> interrupt(in.get(JAVA_LONG, FuseProtocol.REQUEST_HEADER));
            case FuseProtocol.RELEASE, FuseProtocol.RELEASEDIR, FuseProtocol.FLUSH, FuseProtocol.DESTROY ->
                reply(unique, 0);
            case FuseProtocol.STATFS -> {
                clear(FuseProtocol.STATFS_BYTES);
                out.set(JAVA_INT, 56, FuseProtocol.PAGE_BYTES);
                out.set(JAVA_INT, 60, 255);
                out.set(JAVA_INT, 64, FuseProtocol.PAGE_BYTES);
                yield reply(unique, FuseProtocol.STATFS_BYTES);
            }
            case FuseProtocol.INIT -> init(unique);
            default -> fail(unique, Errno.ENOSYS);
        };
    }

    private int read(long unique, long node, long offset, int size, long begun) {
        var file = files.find(node - 1);
        if (file == null) {
            return fail(unique, Errno.EIO);
        }
        int length = Math.clamp(file.sizeBytes() - offset, 0, Math.min(size, FuseProtocol.MAX_READ_BYTES));
        if (length == 0) {
            return reply(unique, 0);
        }
        var device = file.ready();
        try {
            if (device != null && device.readCached(offset, length, data)) {
                return replyData(unique, out, vector, data, length);
            }
        } catch (ReadFailed e) {
            LOG.warn("a read of device {} failed: {}", file.number(), e.getMessage());
            return fail(unique, Errno.EIO);
        }
        var waiting = new Waiting(session, unique);
        var reader = Thread.ofVirtual().name("read").unstarted(() -> readSlowly(waiting, file, offset, length, begun));
        WAITING.put(waiting, reader);
        reader.start();
        return -1;
    }

    private void readSlowly(Waiting waiting, DeviceFiles.DeviceFile file, long offset, int length, long begun) {
        int errno = 0;
        try (var arena = Arena.ofConfined()) {
            var content = arena.allocate(length, FuseProtocol.PAGE_BYTES);
            var header = arena.allocate(FuseProtocol.REPLY_HEADER, 8);
            var parts = arena.allocate(32, 8);
            try {
                file.enter(Thread.currentThread());
                file.await().read(offset, length, content);
                WAITING.remove(waiting);
                replyData(waiting.unique, header, parts, content, length);
                return;
            } catch (InterruptedException e) {
                errno = Errno.EINTR;
            } catch (ReadFailed e) {
                LOG.warn("a read of device {} failed: {}", file.number(), e.getMessage());
                errno = Errno.EIO;
            } catch (RuntimeException | Error e) {
                LOG.error("a read of device {} failed", file.number(), e);
                errno = Errno.EIO;
            }
            send(header, waiting.unique, errno);
        } finally {
            WAITING.remove(waiting);
            file.leave(Thread.currentThread());
            metrics.answered(FuseMetrics.Call.READ, System.nanoTime() - begun, errno);
        }
    }

    private int interrupt(long unique) {
        var reader = WAITING.get(new Waiting(session, unique));
        if (reader != null) {
            reader.interrupt();
        }
        return 0;
    }

    private int lookup(long unique, long parent) {
        var name = in.getString(FuseProtocol.REQUEST_HEADER, StandardCharsets.ISO_8859_1);
        long number = parent == FuseProtocol.ROOT_NODE && name.matches("[1-9][0-9]{0,17}") ? Long.parseLong(name) : -1;
        var file = files.find(number);
        if (file == null) {
            return fail(unique, Errno.ENOENT);
        }
        clear(FuseProtocol.ENTRY_BYTES);
        out.set(JAVA_LONG, 16, number + 1);
        out.set(JAVA_LONG, 32, DAY_SECONDS);
        out.set(JAVA_LONG, 40, DAY_SECONDS);
        attributes(FuseProtocol.REPLY_HEADER + 40, number + 1, FILE, file.sizeBytes());
        return reply(unique, FuseProtocol.ENTRY_BYTES);
    }

    private int attributes(long unique, long node) {
        clear(FuseProtocol.ATTRIBUTE_REPLY_BYTES);
        out.set(JAVA_LONG, 16, DAY_SECONDS);
        if (node == FuseProtocol.ROOT_NODE) {
            attributes(FuseProtocol.REPLY_HEADER + 16, node, DIRECTORY, 0);
            return reply(unique, FuseProtocol.ATTRIBUTE_REPLY_BYTES);
        }
        var file = files.find(node - 1);
        if (file == null) {
            return fail(unique, Errno.ENOENT);
        }
        attributes(FuseProtocol.REPLY_HEADER + 16, node, FILE, file.sizeBytes());
        return reply(unique, FuseProtocol.ATTRIBUTE_REPLY_BYTES);
    }

    /** {@code struct fuse_attr}: ino, size, blocks, three times, their nanoseconds, mode, nlink, uid, gid, rdev, blksize. */
    private void attributes(long at, long node, int mode, long size) {
        out.set(JAVA_LONG, at, node);
        out.set(JAVA_LONG, at + 8, size);
        out.set(JAVA_LONG, at + 16, (size + 511) / 512);
        out.set(JAVA_INT, at + 60, mode);
        out.set(JAVA_INT, at + 64, 1);
        out.set(JAVA_INT, at + 80, FuseProtocol.PAGE_BYTES);
    }

    private int open(long unique, int flags) {
        clear(FuseProtocol.OPEN_BYTES);
        out.set(JAVA_INT, 24, flags);
        return reply(unique, FuseProtocol.OPEN_BYTES);
    }

    /** Entries in the order of their numbers; an entry's offset is its number, so that a listing goes on behind it. */
    private int list(long unique, long after, int size) {
        int end = FuseProtocol.REPLY_HEADER + Math.min(size, REPLY_BYTES - FuseProtocol.REPLY_HEADER);
        int at = FuseProtocol.REPLY_HEADER;
        var rest = files.all().stream()
                .filter(file -> file.number() > after)
                .sorted(Comparator.comparingLong(DeviceFiles.DeviceFile::number))
                .toList();
        for (var file : rest) {
            var name = Long.toString(file.number()).getBytes(StandardCharsets.US_ASCII);
            int bytes = (FuseProtocol.DIRENT_HEADER + name.length + 7) & -8;
            if (at + bytes > end) {
                break;
            }
            out.asSlice(at, bytes).fill((byte) 0);
            out.set(JAVA_LONG, at, file.number() + 1);
            out.set(JAVA_LONG, at + 8, file.number());
            out.set(JAVA_INT, at + 16, name.length);
            out.set(JAVA_INT, at + 20, FILE >> 12);
            MemorySegment.copy(name, 0, out, JAVA_BYTE, at + FuseProtocol.DIRENT_HEADER, name.length);
            at += bytes;
        }
        return reply(unique, at - FuseProtocol.REPLY_HEADER);
    }

    private int init(long unique) {
        int minor = in.get(JAVA_INT, FuseProtocol.REQUEST_HEADER + 4);
        int readAhead = in.get(JAVA_INT, FuseProtocol.REQUEST_HEADER + 8);
        long offered = Integer.toUnsignedLong(in.get(JAVA_INT, FuseProtocol.REQUEST_HEADER + 12));
        if ((offered & FuseProtocol.INIT_EXT) != 0) {
            offered |= (long) in.get(JAVA_INT, FuseProtocol.REQUEST_HEADER + 16) << 32;
        }
        long taken = offered
                & (FuseProtocol.INIT_ASYNC_READ
                        | FuseProtocol.INIT_ASYNC_DIO
                        | FuseProtocol.INIT_PARALLEL_DIROPS
                        | FuseProtocol.INIT_MAX_PAGES
                        | FuseProtocol.INIT_EXT
                        | FuseProtocol.INIT_HAS_RESEND);
        clear(FuseProtocol.INIT_BYTES);
        out.set(JAVA_INT, 16, 7);
        out.set(JAVA_INT, 20, Math.min(minor, HIGHEST_MINOR));
        out.set(JAVA_INT, 24, Math.max(readAhead, FuseProtocol.MAX_READ_BYTES));
        out.set(JAVA_INT, 28, (int) taken);
        out.set(JAVA_SHORT, 32, (short) READS_AT_ONCE);
        out.set(JAVA_SHORT, 34, (short) (READS_AT_ONCE * 3 / 4));
        out.set(JAVA_INT, 36, FuseProtocol.PAGE_BYTES);
        out.set(JAVA_INT, 40, 1);
        out.set(JAVA_SHORT, 44, (short) FuseProtocol.MAX_PAGES);
        out.set(JAVA_INT, 48, (int) (taken >>> 32));
        return reply(unique, FuseProtocol.INIT_BYTES);
    }

    private void clear(int bytes) {
        out.asSlice(FuseProtocol.REPLY_HEADER, bytes).fill((byte) 0);
    }

    private int reply(long unique, int bytes) {
        int length = FuseProtocol.REPLY_HEADER + bytes;
        header(out, length, 0, unique);
        Libc.write(session, out, length);
        return 0;
    }

    private int fail(long unique, int errno) {
        return send(out, unique, errno);
    }

    private int send(MemorySegment header, long unique, int errno) {
        if (files.areLeft()) {
            return errno;
        }
        header(header, FuseProtocol.REPLY_HEADER, errno, unique);
        Libc.write(session, header, FuseProtocol.REPLY_HEADER);
        return errno;
    }

    private int replyData(long unique, MemorySegment header, MemorySegment parts, MemorySegment content, int length) {
        header(header, FuseProtocol.REPLY_HEADER + length, 0, unique);
        parts.set(JAVA_LONG, 0, header.address());
        parts.set(JAVA_LONG, 8, FuseProtocol.REPLY_HEADER);
        parts.set(JAVA_LONG, 16, content.address());
        parts.set(JAVA_LONG, 24, length);
        long written = Libc.writev(session, parts, 2);
        // ENOENT: nobody waits any more. ENODEV: the mount has gone.
        if (written < 0 && written != -Errno.ENOENT && written != -Errno.ENODEV) {
            LOG.error("an answer of {} bytes was refused by the kernel: {}", length, Errno.name((int) -written));
            return send(header, unique, Errno.EIO);
        }
        return 0;
    }

    private static void header(MemorySegment header, int length, int errno, long unique) {
        header.set(JAVA_INT, 0, length);
        header.set(JAVA_INT, 4, -errno);
        header.set(JAVA_LONG, 8, unique);
    }
}
