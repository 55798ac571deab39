package dev.thaw.agent.fetch;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * Fetches chunks in the order in which they will be read, as fast as the network gives them.
 *
 * <p>A window of what is missing is sorted by place, so that neighbours come by one request, and two windows are on their way at
 * a time, so that the network never rests. Windows grow: what is read first must come first, what is read later may come in
 * large pieces.
 */
public final class Replay {
    private static final Duration LONGEST_WINDOW = Duration.ofMinutes(10);
    private static final int WINDOWS_UNDER_WAY = 2;
    /** Of the largest request. */
    private static final int WIDEST_WINDOW = 4;

    private final ChunkFetcher fetcher;
    private final FetchReason reason;
    private final BiConsumer<LazyBlob, Integer> fetched;

    /**
     * @param reason how urgent it is
     * @param fetched hears of each chunk that was not there, before it is asked for
     */
    public Replay(ChunkFetcher fetcher, FetchReason reason, BiConsumer<LazyBlob, Integer> fetched) {
        this.fetcher = fetcher;
        this.reason = reason;
        this.fetched = fetched;
    }

    /** How a replay ended. */
    public enum Outcome {
        /** All is on disk. */
        COMPLETE,
        /** The cache takes no more without evicting. */
        NO_ROOM,
        /** The registry did not give something. */
        FAILED
    }

    /** Returns when all has come, or when no more will be asked for. What is on its way then still comes. */
    public Outcome run(List<Span> spans) throws InterruptedException {
        var chunks = new Missing(spans);
        Deque<Window> underWay = new ArrayDeque<>();
        long windowBytes = fetcher.settings().rangeBytes();
        long widestBytes = windowBytes * WIDEST_WINDOW;
        for (var next = chunks.next(); next.isPresent(); next = chunks.next()) {
            var window = new ArrayList<Span>();
            long bytes = 0;
            for (var chunk = next; chunk.isPresent(); chunk = bytes < windowBytes ? chunks.next() : Optional.empty()) {
                window.add(chunk.get());
                bytes += chunk.get()
                        .blob()
                        .missingBytes(chunk.get().first(), chunk.get().first());
            }
            long coming = underWay.stream().mapToLong(Window::bytes).sum();
            if (!fetcher.store().hasRoomFor(coming + bytes)) {
                return Outcome.NO_ROOM;
            }
            underWay.add(new Window(request(window), bytes));
            if (underWay.size() == WINDOWS_UNDER_WAY && !hasLanded(underWay.remove())) {
                return Outcome.FAILED;
            }
            windowBytes = Math.min(widestBytes, windowBytes * 2);
        }
        while (!underWay.isEmpty()) {
            if (!hasLanded(underWay.remove())) {
                return Outcome.FAILED;
            }
        }
        return Outcome.COMPLETE;
    }

    /**
     * What is on its way together.
     *
     * @param bytes on disk, once it is there
     */
    private record Window(List<Flight> flights, long bytes) {}

    private static boolean hasLanded(Window window) throws InterruptedException {
        return Flight.awaitAll(window.flights, LONGEST_WINDOW);
    }

    /** The chunks of the spans, one by one; those that are missing when their turn comes. */
    private static final class Missing {
        private final Iterator<Span> spans;
        private Optional<Span> rest = Optional.empty();

        Missing(List<Span> spans) {
            this.spans = spans.iterator();
        }

        Optional<Span> next() {
            while (rest.isPresent() || spans.hasNext()) {
                var span = rest.orElseGet(spans::next);
                rest = span.first() < span.last()
                        ? Optional.of(new Span(span.blob(), span.first() + 1, span.last()))
                        : Optional.empty();
                boolean known = span.blob().storedBytes(span.first()) > 0;
                if (known && !span.blob().isCached(span.first())) {
                    return Optional.of(new Span(span.blob(), span.first(), span.first()));
                }
            }
            return Optional.empty();
        }
    }

    private List<Flight> request(List<Span> window) {
        window.sort(Comparator.comparing((Span chunk) -> chunk.blob().id()).thenComparingInt(Span::first));
        var flights = new ArrayList<Flight>();
        int from = 0;
        while (from < window.size()) {
            int to = from;
            while (to + 1 < window.size() && follows(window.get(to), window.get(to + 1))) {
                to++;
            }
            window.subList(from, to + 1).forEach(chunk -> fetched.accept(chunk.blob(), chunk.first()));
            var blob = window.get(from).blob();
            flights.addAll(blob.expect(window.get(from).first(), window.get(to).first(), reason));
            from = to + 1;
        }
        return flights;
    }

    private static boolean follows(Span one, Span next) {
        return one.blob() == next.blob() && next.first() - one.first() <= 1;
    }
}
