package dev.thaw.agent.fetch;

import java.time.Duration;

/** Time as retries and quiet periods see it. */
interface FetchTime {
    FetchTime SYSTEM = new FetchTime() {
        @Override
        public long nanos() {
            return System.nanoTime();
        }

        @Override
        public void sleep(Duration time) throws InterruptedException {
            Thread.sleep(time);
        }
    };

    long nanos();

    void sleep(Duration time) throws InterruptedException;
}
