package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/** Time that passes only when somebody sleeps, and then at once. */
final class FakeTime implements FetchTime {
    final List<Duration> sleeps = new CopyOnWriteArrayList<>();
    private final AtomicLong now = new AtomicLong(1_000_000_000L);

    @Override
    public long nanos() {
        return now.get();
    }

    @Override
    public void sleep(Duration time) throws InterruptedException {
        sleeps.add(time);
        now.addAndGet(time.toNanos());
        // Lets others run, and a loop that waits be interrupted.
        Thread.sleep(1);
    }
}
