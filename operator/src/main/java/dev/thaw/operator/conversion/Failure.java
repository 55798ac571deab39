package dev.thaw.operator.conversion;

import dev.thaw.crds.Reason;

/**
 * Why a step did not succeed.
 *
 * @param reason one of the closed list
 * @param message for a person: what was tried, on what, what came back
 * @param retryable the same may succeed later without anyone changing anything
 */
public record Failure(Reason reason, String message, boolean retryable) {
    /** A failure that only a new spec, another Secret or a new digest can mend. */
    public static Failure lasting(Reason reason, String message) {
        return new Failure(reason, message, false);
    }

    /** A failure that time may mend. */
    public static Failure passing(Reason reason, String message) {
        return new Failure(reason, message, true);
    }
}
