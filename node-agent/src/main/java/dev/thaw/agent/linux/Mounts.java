package dev.thaw.agent.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Taking mounts away, and finding dead ones, without being caught by one that hangs. */
public final class Mounts {
    private static final int ATTEMPTS = 5;
    private static final Duration PAUSE = Duration.ofMillis(50);
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private Mounts() {}

    /** Unmounts; what is busy is detached, and goes when its last user does. Nothing mounted there is no error. */
    public static void unmount(Path point) throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                Libc.unmount(point, attempt < ATTEMPTS ? 0 : Libc.MNT_DETACH);
                return;
            } catch (SystemCallFailed e) {
                if (e.errno() == Errno.EINVAL || e.errno() == Errno.ENOENT) {
                    return;
                }
                if (e.errno() != Errno.EBUSY || attempt >= ATTEMPTS) {
                    throw e;
                }
            }
            try {
                Thread.sleep(PAUSE);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                Libc.unmount(point, Libc.MNT_DETACH);
                return;
            }
        }
    }

    /** Detaches everything at or below a directory. */
    public static void detachAll(Path directory) throws IOException {
        for (var mount : MountTable.read().below(directory)) {
            detach(mount.point());
        }
    }

    /** Takes a mount out of the tree at once, whoever uses it. */
    public static void detach(Path point) throws IOException {
        try {
            Libc.unmount(point, Libc.MNT_DETACH);
        } catch (SystemCallFailed e) {
            if (e.errno() != Errno.EINVAL && e.errno() != Errno.ENOENT) {
                throw e;
            }
        }
    }

    /** Whether stat(2) of the path succeeds within seconds. */
    public static boolean isAlive(Path point) {
        var look = new FutureTask<>(() -> Files.getAttribute(point, "unix:ino"));
        Thread.ofPlatform().daemon().name("mount-check").start(look);
        try {
            look.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException | TimeoutException e) {
            return false;
        }
    }
}
