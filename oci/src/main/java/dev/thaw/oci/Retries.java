package dev.thaw.oci;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeException;
import dev.failsafe.RetryPolicy;
import dev.failsafe.function.CheckedRunnable;
import dev.failsafe.function.CheckedSupplier;
import java.io.IOException;
import java.time.Duration;

/** Repeats what failed in passing: after a growing, jittered pause, or after the one that the registry asked for. */
final class Retries {
    private static final double JITTER = 0.2;

    private final RegistrySettings settings;
    private final RetryPolicy<Object> policy;

    Retries(RegistrySettings settings) {
        this.settings = settings;
        var longest = settings.longestPause();
        var first = settings.firstPause().compareTo(longest) < 0 ? settings.firstPause() : longest.dividedBy(2);
        this.policy = RetryPolicy.builder()
                .handleIf(failure -> failure instanceof RegistryException e && isWorthRepeating(e))
                .withMaxRetries(settings.retries())
                .withBackoff(first, longest)
                .withJitter(JITTER)
                // A negative pause means the policy's own back-off.
                .withDelayFn(context -> asked(context.getLastException()))
                .build();
    }

    <T> T call(Action action, CheckedSupplier<T> attempt) throws IOException {
        try {
            return Failsafe.with(policy).get(attempt);
        } catch (FailsafeException e) {
            throw unwrapped(action, e);
        }
    }

    void run(Action action, CheckedRunnable attempt) throws IOException {
        call(action, () -> {
            attempt.run();
            return Boolean.TRUE;
        });
    }

    /** How often, for loops that repeat by themselves. */
    int limit() {
        return settings.retries();
    }

    /** Waits before the repetition of this number (from 1). */
    void pause(Action action, int repetition) throws IOException {
        var pause = settings.firstPause().multipliedBy(1L << Math.min(repetition - 1, 20));
        try {
            Thread.sleep(pause.compareTo(settings.longestPause()) < 0 ? pause : settings.longestPause());
        } catch (InterruptedException e) {
            throw action.interrupted();
        }
    }

    /** Waiting longer than we are ready to is for the caller to decide. */
    private boolean isWorthRepeating(RegistryException e) {
        return e.isTransient()
                && e.retryAfter()
                        .map(asked -> asked.compareTo(settings.longestPause()) <= 0)
                        .orElse(true);
    }

    private static Duration asked(Throwable failure) {
        return failure instanceof RegistryException e
                ? e.retryAfter().orElse(Duration.ofNanos(-1))
                : Duration.ofNanos(-1);
    }

    private static IOException unwrapped(Action action, FailsafeException e) {
        return switch (e.getCause()) {
            case IOException cause -> cause;
            case InterruptedException _ -> action.interrupted();
            case null, default -> throw e;
        };
    }
}
