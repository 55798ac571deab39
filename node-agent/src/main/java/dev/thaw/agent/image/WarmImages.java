package dev.thaw.agent.image;

import dev.thaw.agent.AgentException;
import dev.thaw.oci.Digest;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The images that this node holds because it was told to, whether or not a container needs them. What could not be brought is
 * tried again; what the cache has evicted since is brought again as soon as it has room.
 */
final class WarmImages implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WarmImages.class);
    private static final Duration RETRY = Duration.ofSeconds(10);
    private static final Duration NEXT_LOOK = Duration.ofMinutes(10);

    /** Brings an image to a level. */
    @FunctionalInterface
    interface Bringing {
        /** Returns when all is here. @return why it cannot be, else */
        Optional<String> bring(Digest artifact, WarmLevel level) throws AgentException, InterruptedException;
    }

    /**
     * How far an image is.
     *
     * @param reached what was there at the last look
     * @param error why what is wanted is not there; empty while it is being brought
     */
    record Warmth(WarmLevel wanted, Optional<WarmLevel> reached, String error) {}

    private final Bringing bringing;
    private final Runnable changed;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Digest, Held> held = new ConcurrentHashMap<>();
    private boolean begun;
    private boolean closed;

    /** @param changed called after each change of an image's warmth; must not block */
    WarmImages(Bringing bringing, Runnable changed) {
        this.bringing = bringing;
        this.changed = changed;
    }

    /** One image, and the thread that looks after it. */
    private final class Held {
        private final Digest artifact;
        private volatile Warmth warmth;
        private @Nullable Thread keeper;

        Held(Digest artifact, WarmLevel wanted, Optional<WarmLevel> reached) {
            this.artifact = artifact;
            warmth = new Warmth(wanted, reached, "");
        }

        void keep() {
            keeper = Thread.ofVirtual().name("warm-" + artifact.hex()).start(this::look);
        }

        void drop() {
            if (keeper != null) {
                keeper.interrupt();
            }
        }

        private void look() {
            var wanted = warmth.wanted;
            while (!Thread.currentThread().isInterrupted()) {
                var problem = bring(wanted);
                if (Thread.currentThread().isInterrupted()) {
                    return;
                }
                if (problem.isEmpty()) {
                    now(new Warmth(wanted, Optional.of(wanted), ""));
                } else {
                    LOG.info("image {} is not warm yet: {}", artifact, problem.get());
                    now(new Warmth(wanted, warmth.reached.filter(level -> level.compareTo(wanted) < 0), problem.get()));
                }
                try {
                    Thread.sleep(problem.isEmpty() ? NEXT_LOOK : RETRY);
                } catch (InterruptedException e) {
                    return;
                }
            }
        }

        private Optional<String> bring(WarmLevel wanted) {
            try {
                return bringing.bring(artifact, wanted);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return Optional.of("interrupted");
            } catch (AgentException | RuntimeException e) {
                return Optional.of(String.valueOf(e.getMessage()));
            }
        }

        private void now(Warmth next) {
            if (!next.equals(warmth)) {
                warmth = next;
                changed.run();
            }
        }
    }

    /** From now on these are held, and no others. @return those that were and are no more */
    Set<Digest> hold(Map<Digest, WarmLevel> wanted) {
        lock.lock();
        try {
            var dropped = new HashSet<>(held.keySet());
            dropped.removeAll(wanted.keySet());
            for (var artifact : dropped) {
                var old = held.remove(artifact);
                if (old != null) {
                    old.drop();
                }
            }
            wanted.forEach((artifact, level) -> {
                var old = held.get(artifact);
                if (old == null || old.warmth.wanted != level) {
                    Optional<WarmLevel> reached = old == null ? Optional.empty() : old.warmth.reached;
                    replace(artifact, new Held(artifact, level, reached));
                }
            });
            return dropped;
        } finally {
            lock.unlock();
        }
    }

    private void replace(Digest artifact, Held fresh) {
        var old = held.put(artifact, fresh);
        if (old != null) {
            old.drop();
        }
        if (begun && !closed) {
            fresh.keep();
        }
    }

    /** Begins to bring what is held. */
    void begin() {
        lock.lock();
        try {
            begun = true;
            if (!closed) {
                held.values().forEach(Held::keep);
            }
        } finally {
            lock.unlock();
        }
    }

    /** An image was closed: it is brought again, if it is held. */
    void again(Digest artifact) {
        lock.lock();
        try {
            var old = held.get(artifact);
            if (old != null) {
                replace(artifact, new Held(artifact, old.warmth.wanted, old.warmth.reached));
            }
        } finally {
            lock.unlock();
        }
    }

    boolean holds(Digest artifact) {
        return held.containsKey(artifact);
    }

    Set<Digest> all() {
        return Set.copyOf(held.keySet());
    }

    Optional<Warmth> of(Digest artifact) {
        return Optional.ofNullable(held.get(artifact)).map(image -> image.warmth);
    }

    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            held.values().forEach(Held::drop);
        } finally {
            lock.unlock();
        }
    }
}
