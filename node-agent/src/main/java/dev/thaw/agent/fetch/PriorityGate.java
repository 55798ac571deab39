package dev.thaw.agent.fetch;

import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Lets a bounded number of requests run at a time. Who is more urgent goes first, and some places are kept for reads:
 * ahead and background together may take three quarters of them, background one quarter, so that a read never waits for a place behind large
 * downloads that nobody waits for.
 */
final class PriorityGate {
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<FetchReason, Queue<Ticket>> waiting = new EnumMap<>(FetchReason.class);
    private final Map<FetchReason, Integer> running = new EnumMap<>(FetchReason.class);
    private final int places;
    private final int mostUnhurried;
    private final int mostBackground;

    PriorityGate(int places) {
        this.places = places;
        mostUnhurried = Math.max(1, places * 3 / 4);
        mostBackground = Math.max(1, places / 4);
        for (var reason : FetchReason.values()) {
            waiting.put(reason, new ArrayDeque<>());
        }
    }

    /** A place in the queue, and then at the counter. Its urgency can only rise. */
    final class Ticket {
        private final Condition admitted = lock.newCondition();
        private volatile FetchReason reason;
        private FetchReason admittedAs;
        private boolean in;

        private Ticket(FetchReason reason) {
            this.reason = reason;
            admittedAs = reason;
        }

        FetchReason reason() {
            return reason;
        }

        void enter() throws InterruptedException {
            lock.lock();
            try {
                queue(reason).add(this);
                admitNext();
                while (!in) {
                    admitted.await();
                }
            } catch (InterruptedException e) {
                if (in) {
                    leaveLocked();
                } else {
                    queue(reason).remove(this);
                }
                throw e;
            } finally {
                lock.unlock();
            }
        }

        void leave() {
            lock.lock();
            try {
                leaveLocked();
            } finally {
                lock.unlock();
            }
        }

        private void leaveLocked() {
            in = false;
            running.merge(admittedAs, -1, Integer::sum);
            admitNext();
        }

        /** Somebody now waits for what was fetched without need. */
        void promote() {
            if (reason == FetchReason.DEMAND) {
                return;
            }
            lock.lock();
            try {
                boolean queued = queue(reason).remove(this);
                reason = FetchReason.DEMAND;
                if (queued) {
                    queue(reason).add(this);
                    admitNext();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    Ticket ticket(FetchReason reason) {
        return new Ticket(reason);
    }

    int waiting(FetchReason reason) {
        lock.lock();
        try {
            return queue(reason).size();
        } finally {
            lock.unlock();
        }
    }

    private void admitNext() {
        for (var reason : FetchReason.values()) {
            var queue = queue(reason);
            while (!queue.isEmpty() && hasPlaceFor(reason)) {
                var next = queue.remove();
                next.in = true;
                next.admittedAs = reason;
                running.merge(reason, 1, Integer::sum);
                next.admitted.signal();
            }
            if (!queue.isEmpty()) {
                return;
            }
        }
    }

    private boolean hasPlaceFor(FetchReason reason) {
        int unhurried = running(FetchReason.AHEAD) + running(FetchReason.BACKGROUND);
        return switch (reason) {
            case DEMAND -> unhurried + running(FetchReason.DEMAND) < places;
            case AHEAD -> unhurried < mostUnhurried && unhurried + running(FetchReason.DEMAND) < places;
            case BACKGROUND ->
                running(FetchReason.BACKGROUND) < mostBackground
                        && unhurried < mostUnhurried
                        && unhurried + running(FetchReason.DEMAND) < places;
        };
    }

    private int running(FetchReason reason) {
        return running.getOrDefault(reason, 0);
    }

    private Queue<Ticket> queue(FetchReason reason) {
        var queue = waiting.get(reason);
        if (queue == null) {
            throw new IllegalStateException("no queue for " + reason);
        }
        return queue;
    }
}
