package dev.thaw.agent.mount;

import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** One image, mounted by libfuse, and the loop that serves it. */
final class FuseMount {
    private static final Duration LONGEST_START = Duration.ofSeconds(10);
    private static final Duration LONGEST_END = Duration.ofSeconds(3);
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(5);

    private final Path point;
    private final ImageTree tree;
    private final FutureTask<Integer> loop;
    private final Arena functions;

    private FuseMount(Path point, ImageTree tree, FutureTask<Integer> loop, Arena functions) {
        this.point = point;
        this.tree = tree;
        this.loop = loop;
        this.functions = functions;
    }

    @SuppressWarnings("MustBeClosed") // the functions live until libfuse has ended, which close() sees to
    static FuseMount mount(Path point, ImageTree tree, FuseMetrics metrics) throws IOException {
        var functions = Arena.ofShared();
        var served = new LibFuseTree(tree, metrics, functions);
        var loop = new FutureTask<>(() -> served.serve(point));
        Thread.ofPlatform().daemon().name("fuse-" + tree.image().name()).start(loop);
        var mount = new FuseMount(point, tree, loop, functions);
        mount.awaitMounted();
        return mount;
    }

    private void awaitMounted() throws IOException {
        long deadline = System.nanoTime() + LONGEST_START.toNanos();
        while (MountTable.read()
                .at(point)
                .filter(mount -> mount.type().startsWith("fuse"))
                .isEmpty()) {
            if (loop.isDone()) {
                functions.close();
                throw new IOException("libfuse refused to mount; it wrote the reason to standard error");
            }
            if (System.nanoTime() > deadline) {
                throw new IOException("libfuse did not mount within " + LONGEST_START.toSeconds() + " s");
            }
            try {
                Thread.sleep(LOOK_INTERVAL);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("mounting was interrupted", e);
            }
        }
    }

    boolean isServing() {
        return !loop.isDone();
    }

    /** Ends reads that wait, unmounts, and sees the loop end. */
    void close() throws IOException {
        var mount = MountTable.read().at(point);
        tree.close();
        Mounts.unmount(point);
        if (!awaitEnd() && mount.isPresent()) {
            // Somebody still has it open, or an answer never comes.
            FuseControl.abort(mount.get());
        }
        if (awaitEnd()) {
            functions.close();
        }
    }

    private boolean awaitEnd() {
        try {
            loop.get(LONGEST_END.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (ExecutionException e) {
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
