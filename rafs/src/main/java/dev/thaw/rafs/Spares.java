package dev.thaw.rafs;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Costly objects that one thread uses at a time and hands back. Not tied to threads, since those come and go by the thousand.
 * Taking and giving back allocate nothing once the spares are there.
 */
final class Spares<T> {
    private static final int KEPT = 64;

    private final ArrayBlockingQueue<T> spares = new ArrayBlockingQueue<>(KEPT);
    private final Supplier<T> maker;

    Spares(Supplier<T> maker) {
        this.maker = maker;
    }

    T take() {
        var spare = spares.poll();
        return spare == null ? maker.get() : spare;
    }

    /** Returns whether it was kept; if not, there are enough and the caller disposes of it. */
    boolean giveBack(T spare) {
        return spares.offer(spare);
    }

    /** A spare that will not be used again, or null. */
    @Nullable T drain() {
        return spares.poll();
    }
}
