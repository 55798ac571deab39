package dev.thaw.agent.image;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.fetch.ChunkFetcher;
import dev.thaw.agent.fetch.FetchReason;
import dev.thaw.agent.fetch.LazyBlob;
import dev.thaw.agent.fetch.Replay;
import dev.thaw.agent.fetch.Span;
import dev.thaw.agent.image.LearnedTraces.Learned;
import dev.thaw.agent.image.LearnedTraces.Place;
import dev.thaw.agent.program.Entrypoint;
import dev.thaw.agent.program.ImageFile;
import dev.thaw.agent.program.ImagePaths;
import dev.thaw.agent.program.ProgramFiles;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.CorruptImageException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches what a start of an image reads before it does: what every container reads; then what earlier starts read, in their
 * order and most of it only once a container has started, or where none is known the files without which the entrypoint does not run; then
 * the paths that the LazyImage names, and those that the image's builder was told.
 */
final class StartPrefetch {
    private static final Logger LOG = LoggerFactory.getLogger(StartPrefetch.class);

    /** containerd looks up the container's user in the first two, the loader its libraries in the third. */
    private static final List<String> ALWAYS_FIRST = List.of("/etc/passwd", "/etc/group", "/etc/ld.so.cache");

    private static final int MOST_PATH_CHUNKS = 4096;
    /** Compressed or not, as it is on disk. */
    private static final long BESIDE_PULL_BYTES = 2 << 20;
    /** The loader reads the begin of a library and maps the rest. */
    private static final long MOST_LIBRARY_BYTES = 8 << 20;

    private final String image;
    private final Bootstrap bootstrap;
    private final List<LazyBlob> blobs;
    private final Replay replay;

    /** The configuration that the image was made with. */
    @FunctionalInterface
    interface Configuration {
        byte[] read() throws IOException;
    }

    /**
     * Waits until a container of the image has started: pull and start need the processors and the line as well. Returns at once
     * where none is waited for.
     */
    @FunctionalInterface
    interface Start {
        void await() throws InterruptedException;
    }

    /** @param fetched hears of each chunk that is brought, by the blob's position and its own */
    StartPrefetch(
            String image,
            Bootstrap bootstrap,
            List<LazyBlob> blobs,
            ChunkFetcher fetcher,
            BiConsumer<Integer, Integer> fetched) {
        this.image = image;
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        replay = new Replay(fetcher, FetchReason.AHEAD, (blob, chunk) -> fetched.accept(blobs.indexOf(blob), chunk));
    }

    /** Brings all of it. Returns when it is here or cannot be had: then reads fetch it. */
    Replay.Outcome run(
            PrefetchPolicy policy, List<String> paths, Learned learned, Configuration configuration, Start start)
            throws InterruptedException {
        if (policy == PrefetchPolicy.OFF) {
            return Replay.Outcome.COMPLETE;
        }
        var first = new ArrayList<>(spans(ALWAYS_FIRST, List.of()));
        var later = new ArrayDeque<>(spans(learned));
        moveBegin(later, first);
        var outcome = replay.run(first);
        if (outcome == Replay.Outcome.COMPLETE && !later.isEmpty()) {
            start.await();
            outcome = replay.run(List.copyOf(later));
        }
        if (outcome == Replay.Outcome.COMPLETE && learned.chunks().isEmpty()) {
            program(configuration);
        }
        if (outcome == Replay.Outcome.COMPLETE) {
            outcome = replay.run(spans(paths, bootstrap.prefetchNids()));
        }
        switch (outcome) {
            case COMPLETE -> LOG.debug("image {}: what a start reads is here", image);
            case NO_ROOM -> LOG.info("image {} is not prefetched further: the cache has no room for it", image);
            case FAILED -> LOG.info("image {} is not prefetched further: its registry does not give all of it", image);
        }
        return outcome;
    }

    /** What a process reads first is so little that it can come beside the pull. */
    private static void moveBegin(Deque<Span> from, List<Span> to) {
        long left = BESIDE_PULL_BYTES;
        while (!from.isEmpty() && left > 0) {
            var span = from.removeFirst();
            int last = span.first();
            left -= span.blob().storedBytes(last);
            while (last < span.last() && left > 0) {
                left -= span.blob().storedBytes(++last);
            }
            to.add(new Span(span.blob(), span.first(), last));
            if (last < span.last()) {
                from.addFirst(new Span(span.blob(), last + 1, span.last()));
            }
        }
    }

    private void program(Configuration configuration) throws InterruptedException {
        try {
            long mostChunks = Math.max(1, MOST_LIBRARY_BYTES / bootstrap.chunkSizeBytes());
            new ProgramFiles(bootstrap, blobs, Entrypoint.of(configuration.read())).fetch(files -> {
                var spans = new ArrayList<Span>();
                for (var file : files) {
                    spans.addAll(file.spans((int) mostChunks));
                }
                replay.run(spans);
            });
        } catch (IOException | CorruptImageException | ReadFailed e) {
            LOG.info("image {}: the entrypoint's files are not prefetched: {}", image, e.getMessage());
        }
    }

    /** Neighbours in time that are neighbours in their blob, too, are one span. What names no chunk of the image is left out. */
    private List<Span> spans(Learned learned) {
        var spans = new ArrayList<Span>();
        for (var place : learned.chunks()) {
            if (!exists(place)) {
                continue;
            }
            var blob = blobs.get(place.blob());
            var last = spans.isEmpty() ? null : spans.getLast();
            if (last != null && last.blob().equals(blob) && last.last() + 1 == place.chunk()) {
                spans.set(spans.size() - 1, new Span(blob, last.first(), place.chunk()));
            } else {
                spans.add(new Span(blob, place.chunk(), place.chunk()));
            }
        }
        return spans;
    }

    private boolean exists(Place place) {
        return place.blob() >= 0
                && place.blob() < blobs.size()
                && place.chunk() >= 0
                && place.chunk() < blobs.get(place.blob()).chunkCount();
    }

    /** Files, and all files in and below folders, as far as the budget goes. */
    private List<Span> spans(List<String> paths, List<Long> nids) {
        var spans = new ArrayList<Span>();
        var files = new ImagePaths(bootstrap);
        int budget = MOST_PATH_CHUNKS;
        for (var path : paths) {
            try {
                var found = files.find(path);
                if (found.isPresent()) {
                    budget = collect(found.get().nid(), budget, spans);
                }
            } catch (CorruptImageException | IllegalArgumentException e) {
                LOG.warn("{} of image {} is not prefetched: {}", path, image, e.getMessage());
            }
        }
        try {
            for (long nid : nids) {
                budget = collect(nid, budget, spans);
            }
        } catch (CorruptImageException e) {
            LOG.warn("the prefetch table of image {} is of no use: {}", image, e.getMessage());
        }
        return spans;
    }

    /** @return what is left of the budget */
    private int collect(long nid, int budget, List<Span> spans) throws CorruptImageException {
        var inode = bootstrap.inode(nid);
        int left = budget;
        if (inode.isDirectory()) {
            var children = new ArrayList<Long>();
            bootstrap.list(nid, (name, child, type) -> {
                boolean self = name.length == 1 && name[0] == '.';
                boolean parent = name.length == 2 && name[0] == '.' && name[1] == '.';
                if (!self && !parent) {
                    children.add(child);
                }
                return children.size() < MOST_PATH_CHUNKS;
            });
            for (var child : children) {
                if (left > 0) {
                    left = collect(child, left, spans);
                }
            }
        } else if (inode.isRegular()) {
            var found = new ImageFile(bootstrap, blobs, nid).spans(left);
            spans.addAll(found);
            left -= found.stream()
                    .mapToInt(span -> span.last() - span.first() + 1)
                    .sum();
        }
        return left;
    }
}
