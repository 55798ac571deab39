package dev.thaw.converter.report;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Somebody wants the work to end early. Asked between pieces of work; whoever works then cleans up and fails. */
public final class StopSignal {
    private final AtomicReference<@Nullable String> why = new AtomicReference<>();
    private final AtomicReference<@Nullable Thread> worker = new AtomicReference<>();
    private final CountDownLatch finished = new CountDownLatch(1);

    /** The thread to be interrupted, so that it does not sit in a call that never returns. */
    public void watch(Thread thread) {
        worker.set(thread);
    }

    /** @param by who or what asks, as in "stopped by SIGTERM" */
    public void stop(String by) {
        why.compareAndSet(null, by);
        var thread = worker.get();
        if (thread != null) {
            thread.interrupt();
        }
    }

    public boolean isStopped() {
        return why.get() != null;
    }

    /** @throws ConversionException if the work is to end */
    public void check() throws ConversionException {
        if (isStopped()) {
            throw stopped();
        }
    }

    /** What to fail with when stopped. */
    public ConversionException stopped() {
        return new ConversionException(
                FailureReason.Internal,
                "stopped by " + why.get()
                        + " before the tag was moved; what was published before is untouched, and layers"
                        + " converted so far are found again by the next run");
    }

    /** The work is over, one way or the other, and nothing needs cleaning up. */
    public void finish() {
        finished.countDown();
    }

    public boolean isFinished() {
        return finished.getCount() == 0;
    }

    /** Waits for {@link #finish}, but not for ever: false if it did not come. */
    public boolean awaitFinish(Duration limit) throws InterruptedException {
        return finished.await(limit.toMillis(), TimeUnit.MILLISECONDS);
    }
}
