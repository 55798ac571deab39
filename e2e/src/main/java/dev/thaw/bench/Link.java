package dev.thaw.bench;

import java.time.Duration;
import java.util.List;

/** A line between node and registry. */
record Link(String name, long bitsPerSecond, Duration roundTrip) {
    static final Link GIGABIT = new Link("1 Gbit/s, 1 ms", 1_000_000_000, Duration.ofMillis(1));
    static final Link WIDE_AREA = new Link("200 Mbit/s, 20 ms", 200_000_000, Duration.ofMillis(20));
    static final List<Link> ALL = List.of(GIGABIT, WIDE_AREA);

    /** How long bytes take at the very least. */
    Duration timeFor(long bytes) {
        return Duration.ofNanos(Math.round(bytes * 8e9 / bitsPerSecond));
    }

    /** Short, for file names and options: the megabits per second. */
    String id() {
        return bitsPerSecond / 1_000_000 + "M";
    }
}
