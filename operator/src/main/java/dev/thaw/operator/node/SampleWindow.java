package dev.thaw.operator.node;

import dev.thaw.crds.Durations;
import dev.thaw.crds.Latency;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.ColdStart;
import dev.thaw.crds.Shares;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.ToLongFunction;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The newest cold starts of one image, and the figures drawn from them.
 *
 * <p>Nothing but the figures is kept beyond a restart of the operator: {@link #rebuilt} makes up as many samples as
 * the figures spoke of, such that the same figures come out again, and real ones then push them out.
 */
final class SampleWindow {
    /** Samples that the figures are drawn from. */
    static final int SIZE = 200;

    private final Deque<Sample> samples = new ArrayDeque<>();

    /** A window that gives the figures of that status. */
    static SampleWindow rebuilt(@Nullable ColdStart figures) {
        var window = new SampleWindow();
        if (figures == null) {
            return window;
        }
        int count = (int) Math.min(figures.samples(), SIZE);
        var entrypoint = Spread.of(figures.entrypoint());
        var ready = Spread.of(figures.ready());
        var last = instant(figures.lastTime()).orElse(Instant.EPOCH);
        for (int rank = 1; rank <= count && entrypoint.isPresent(); rank++) {
            int current = rank;
            window.samples.addLast(new Sample(
                    "",
                    "",
                    last,
                    entrypoint.get().at(rank, count),
                    ready.map(spread -> spread.at(current, count)),
                    figures.demandBytes(),
                    figures.aheadBytes(),
                    percent(figures.touched()),
                    figures.touched() == null ? 0 : 100));
        }
        return window;
    }

    /** Adds a sample; false if one of that container is there already. */
    boolean add(Sample sample) {
        if (contains(sample.container())) {
            return false;
        }
        samples.addLast(sample);
        if (samples.size() > SIZE) {
            samples.removeFirst();
        }
        return true;
    }

    boolean contains(String container) {
        return samples.stream().anyMatch(sample -> sample.container().equals(container));
    }

    /** Notes when the pod of a container became ready; false if the container has left the window. */
    boolean ready(String container, Duration time) {
        return change(container, sample -> sample.withReady(time));
    }

    /** Notes what was fetched since the first report of the same start; false if that brings nothing new, or comes too late. */
    boolean refine(Sample later, Instant now) {
        boolean news = samples.stream()
                .filter(sample -> sample.container().equals(later.container()) && !sample.isOver(now))
                .anyMatch(sample -> !sample.withBytesOf(later).equals(sample));
        return news && change(later.container(), sample -> sample.withBytesOf(later));
    }

    private boolean change(String container, UnaryOperator<Sample> to) {
        var before = List.copyOf(samples);
        boolean found = false;
        samples.clear();
        for (var sample : before) {
            boolean same = sample.container().equals(container);
            found |= same;
            samples.addLast(same ? to.apply(sample) : sample);
        }
        return found;
    }

    /** The figures; null without a sample. */
    @Nullable ColdStart figures() {
        if (samples.isEmpty()) {
            return null;
        }
        var entrypoints = samples.stream().map(Sample::entrypoint).toList();
        var readies =
                samples.stream().map(Sample::ready).flatMap(Optional::stream).toList();
        var newest = samples.stream()
                .map(Sample::began)
                .max(Comparator.naturalOrder())
                .orElse(Instant.EPOCH);
        return new ColdStart(
                samples.size(),
                Latency.of(entrypoints).orElse(null),
                Latency.of(readies).orElse(null),
                mean(Sample::demandBytes),
                mean(Sample::aheadBytes),
                touched(),
                newest.truncatedTo(ChronoUnit.SECONDS).toString());
    }

    private long mean(ToLongFunction<Sample> bytes) {
        return Math.round(samples.stream().mapToLong(bytes).average().orElse(0));
    }

    private @Nullable String touched() {
        var shares = samples.stream()
                .filter(sample -> sample.imageBytes() > 0)
                .mapToDouble(sample -> (double) sample.touchedBytes() / sample.imageBytes())
                .average();
        return shares.isEmpty() ? null : Shares.percent(Math.round(shares.getAsDouble() * 10_000), 10_000);
    }

    private static long percent(@Nullable String share) {
        if (share == null || !share.endsWith("%")) {
            return 0;
        }
        try {
            return Long.parseLong(share.substring(0, share.length() - 1));
        } catch (NumberFormatException e) {
            return 0; // someone has edited the status
        }
    }

    static Optional<Instant> instant(@Nullable String text) {
        try {
            return Optional.ofNullable(text).map(Instant::parse);
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    static Optional<Duration> duration(@Nullable String text) {
        try {
            return Optional.ofNullable(text).map(Durations::parse);
        } catch (IllegalArgumentException | ArithmeticException e) {
            return Optional.empty();
        }
    }

    /** The last cold start of each node that a status names. */
    static List<Sample> rowsOf(LazyImageStatus status) {
        var rows = new ArrayList<Sample>();
        for (var node : status.nodes()) {
            var began = instant(node.lastColdStart());
            var entrypoint = duration(node.entrypoint());
            if (began.isPresent() && entrypoint.isPresent()) {
                rows.add(
                        new Sample("", node.node(), began.get(), entrypoint.get(), duration(node.ready()), 0, 0, 0, 0));
            }
        }
        return rows;
    }

    /** A distribution with those two percentiles by nearest rank. */
    private record Spread(Duration p50, Duration p95) {
        static Optional<Spread> of(@Nullable Latency latency) {
            return latency == null
                    ? Optional.empty()
                    : duration(latency.p50())
                            .flatMap(p50 -> duration(latency.p95()).map(p95 -> new Spread(p50, p95)));
        }

        /** The value of that rank, from 1, among {@code count}: flat up to the median, then a straight line to p95. */
        Duration at(int rank, int count) {
            int median = (count * 50 + 99) / 100;
            int high = (count * 95 + 99) / 100;
            if (rank <= median) {
                return p50;
            }
            return rank >= high
                    ? p95
                    : p50.plus(p95.minus(p50).multipliedBy(rank - median).dividedBy(high - median));
        }
    }
}
