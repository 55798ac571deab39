package dev.thaw.agent.mount;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.thaw.agent.linux.Errno;
import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A directory of device files, served to the kernel over /dev/fuse. It keeps no state that the kernel relies on: a file's
 * node is its number plus one, so a process that takes the session over can answer for nodes that it never saw.
 */
final class FlatFuse {
    private static final Logger LOG = LoggerFactory.getLogger(FlatFuse.class);
    private static final Path FUSE = Path.of("/dev/fuse");
    private static final String TYPE = "fuse.thaw";

    private final Path point;
    private final int session;
    private final boolean takenOver;
    private final List<Thread> threads;

    private FlatFuse(Path point, int session, boolean takenOver, List<Thread> threads) {
        this.point = point;
        this.session = session;
        this.takenOver = takenOver;
        this.threads = threads;
    }

    /** Mounts anew. */
    static FlatFuse mount(Path point, DeviceFiles files, FuseMetrics metrics, int threads) throws IOException {
        Mounts.detachAll(point);
        Files.createDirectories(point);
        int session = Libc.open(FUSE, Libc.O_RDWR);
        try {
            Libc.mount(
                    "thaw",
                    point,
                    TYPE,
                    Libc.MS_RDONLY | Libc.MS_NOSUID | Libc.MS_NODEV | Libc.MS_NOEXEC,
                    "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read=%d"
                            .formatted(session, FuseProtocol.MAX_READ_BYTES));
        } catch (IOException e) {
            Libc.close(session);
            throw e;
        }
        return new FlatFuse(point, session, false, serve(session, files, metrics, threads));
    }

    /** Goes on with a session that another process began: what that one left unanswered comes again. */
    static FlatFuse takeOver(Path point, int session, DeviceFiles files, FuseMetrics metrics, int threads)
            throws IOException {
        var served = new FlatFuse(point, session, true, serve(session, files, metrics, threads));
        try (var arena = Arena.ofConfined()) {
            var notice = arena.allocate(FuseProtocol.REPLY_HEADER, 8);
            notice.set(JAVA_INT, 0, FuseProtocol.REPLY_HEADER);
            notice.set(JAVA_INT, 4, FuseProtocol.NOTIFY_RESEND);
            long written = Libc.write(session, notice, FuseProtocol.REPLY_HEADER);
            if (written < 0) {
                LOG.warn(
                        "unanswered reads of the last process cannot be asked for again: {}; their readers wait for ever",
                        Errno.name((int) -written));
            }
        }
        return served;
    }

    /** Whether the file system is in the mount tree, as one of ours. */
    static boolean isMounted(Path point) throws IOException {
        return MountTable.read()
                .at(point)
                .filter(mount -> mount.type().equals(TYPE))
                .isPresent();
    }

    private static List<Thread> serve(int session, DeviceFiles files, FuseMetrics metrics, int count) {
        var threads = new ArrayList<Thread>();
        for (int i = 0; i < count; i++) {
            var server = new FlatFuseServer(session, files, metrics);
            threads.add(Thread.ofPlatform()
                    .daemon()
                    .name("fuse-" + i)
                    .stackSize(256 << 10)
                    .start(server));
        }
        return threads;
    }

    int session() {
        return session;
    }

    boolean isTakenOver() {
        return takenOver;
    }

    boolean isWaitedFor() {
        return FlatFuseServer.isWaitedFor(session);
    }

    Path file(long number) {
        return point.resolve(Long.toString(number));
    }

    /** Ends the session for everybody: reads in flight fail, the mount goes. */
    void destroy() throws IOException {
        var mount = MountTable.read().at(point).filter(found -> found.type().equals(TYPE));
        if (mount.isPresent()) {
            FuseControl.abort(mount.get());
        }
        Mounts.detachAll(point);
        for (var thread : threads) {
            try {
                thread.join(1000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        Libc.close(session);
    }
}
