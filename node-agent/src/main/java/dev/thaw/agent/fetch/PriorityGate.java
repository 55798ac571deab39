package dev.thaw.agent.fetch;

import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Lets a bounded number of requests run at a time. Who is more urgent goes first, and some places are kept for reads:
 * ahead and background together may take three quarters of them, background one quarter, so that a read never waits for a place behind large
 * downloads that nobody waits for. What has failed before may take half of them, so that a registry that is down does not
 * stop reads from others.
 */
final class PriorityGate {
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<FetchReason, Queue<Ticket>> waiting = new EnumMap<>(FetchReason.class);
    private final Map<FetchReason, Queue<Ticket>> waitingAgain = new EnumMap<>(FetchReason.class);
    private final Map<FetchReason, Integer> running = new EnumMap<>(FetchReason.class);
    private final Condition calm = lock.newCondition();
    private final int places;
    private final int mostUnhurried;
    private final int mostBackground;
    private final int mostAgain;
    private int runningAgain;

    PriorityGate(int places) {
        this.places = places;
        mostUnhurried = Math.max(1, places * 3 / 4);
        mostBackground = Math.max(1, places / 4);
        mostAgain = Math.max(1, places / 2);
        for (var reason : FetchReason.values()) {
            waiting.put(reason, new ArrayDeque<>());
            waitingAgain.put(reason, new ArrayDeque<>());
        }
    }

    /** A place in the queue, and then at the counter. Its urgency can only rise. */
    final class Ticket {
        private final Condition admitted = lock.newCondition();
        private volatile FetchReason reason;
        private FetchReason admittedAs;
        private boolean again;
        private boolean in;

        private Ticket(FetchReason reason) {
            this.reason = reason;
            admittedAs = reason;
        }

        FetchReason reason() {
            return reason;
        }

        /** @param again whether the last time ended badly */
        void enter(boolean again) throws InterruptedException {
            lock.lock();
            try {
                this.again = again;
                queue().add(this);
                admitNext();
                while (!in) {
                    admitted.await();
                }
            } catch (InterruptedException e) {
                if (in) {
                    leaveLocked();
                } else {
                    queue().remove(this);
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
            runningAgain -= again ? 1 : 0;
            admitNext();
            signalCalm();
        }

        private Queue<Ticket> queue() {
            return PriorityGate.queue(again ? waitingAgain : waiting, reason);
        }

        /** Somebody now waits for what was fetched without need. */
        void promote() {
            if (reason == FetchReason.DEMAND) {
                return;
            }
            lock.lock();
            try {
                boolean queued = queue().remove(this);
                reason = FetchReason.DEMAND;
                calm.signalAll();
                if (queued) {
                    queue().add(this);
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
            return queue(waiting, reason).size() + queue(waitingAgain, reason).size();
        } finally {
            lock.unlock();
        }
    }

    private void admitNext() {
        for (var reason : FetchReason.values()) {
            var queue = queue(waiting, reason);
            while (!queue.isEmpty() && hasPlaceFor(reason)) {
                admit(queue.remove(), reason);
            }
            if (!queue.isEmpty()) {
                return;
            }
            var again = queue(waitingAgain, reason);
            while (!again.isEmpty() && runningAgain < mostAgain && hasPlaceFor(reason)) {
                runningAgain++;
                admit(again.remove(), reason);
            }
        }
    }

    private void admit(Ticket next, FetchReason reason) {
        next.in = true;
        next.admittedAs = reason;
        running.merge(reason, 1, Integer::sum);
        next.admitted.signal();
    }

    /** Takes a place for what is urgent, if one is free and nobody waits for it. Wants its {@link #leave}. */
    boolean tryEnter() {
        lock.lock();
        try {
            if (!queue(waiting, FetchReason.DEMAND).isEmpty() || !hasPlaceFor(FetchReason.DEMAND)) {
                return false;
            }
            running.merge(FetchReason.DEMAND, 1, Integer::sum);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Gives back the place that {@link #tryEnter} took. */
    void leave() {
        lock.lock();
        try {
            running.merge(FetchReason.DEMAND, -1, Integer::sum);
            admitNext();
            signalCalm();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Whoever receives for {@link FetchReason#BACKGROUND} stands still here while reads are being served: what it does not take,
     * its sender does not send.
     *
     * @param mostNanos after which it goes on, lest its connection be taken for dead
     */
    void giveWay(Supplier<FetchReason> reason, long mostNanos) throws InterruptedException {
        lock.lock();
        try {
            long left = mostNanos;
            while (left > 0 && reason.get() == FetchReason.BACKGROUND && running(FetchReason.DEMAND) > 0) {
                left = calm.awaitNanos(left);
            }
        } finally {
            lock.unlock();
        }
    }

    private void signalCalm() {
        if (running(FetchReason.DEMAND) == 0) {
            calm.signalAll();
        }
    }

    /** Places that nobody has. */
    int free() {
        lock.lock();
        try {
            return places - running(FetchReason.DEMAND) - running(FetchReason.AHEAD) - running(FetchReason.BACKGROUND);
        } finally {
            lock.unlock();
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

    private static Queue<Ticket> queue(Map<FetchReason, Queue<Ticket>> queues, FetchReason reason) {
        var queue = queues.get(reason);
        if (queue == null) {
            throw new IllegalStateException("no queue for " + reason);
        }
        return queue;
    }
}
