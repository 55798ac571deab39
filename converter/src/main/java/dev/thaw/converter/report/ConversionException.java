package dev.thaw.converter.report;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A conversion, inspection or check that failed for a reason of the closed list. An {@link IOException}, because streams carry it
 * from one end of the pipeline to the other.
 */
public final class ConversionException extends IOException {
    private static final long serialVersionUID = 1;

    private final FailureReason reason;

    public ConversionException(FailureReason reason, String message) {
        this(reason, message, null);
    }

    /** @param message what was tried, on what, what came back and what to do; one line */
    public ConversionException(FailureReason reason, String message, @Nullable Throwable cause) {
        super(message.replaceAll("\\s*\\R\\s*", " "), cause);
        this.reason = reason;
    }

    public FailureReason reason() {
        return reason;
    }

    /** The message without its reason; never null. */
    public String text() {
        var message = getMessage();
        return message == null ? reason.name() : message;
    }

    /** The one border at which any failure becomes one of the closed list. */
    public static ConversionException of(Throwable failure) {
        for (var cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof ConversionException known) {
                return known;
            }
        }
        for (var cause = failure; cause != null; cause = cause.getCause()) {
            if (isDiskFull(cause)) {
                return new ConversionException(
                        FailureReason.DiskFull,
                        "the disk of the work directory is full (" + cause.getMessage()
                                + "): give --work a larger volume; it holds the bootstraps only",
                        failure);
            }
        }
        return new ConversionException(FailureReason.Internal, failure.toString(), failure);
    }

    /** The JDK has no exception of its own for ENOSPC and EDQUOT; it passes on the C library's English words. */
    private static boolean isDiskFull(Throwable failure) {
        var message = failure.getMessage();
        return failure instanceof IOException
                && message != null
                && (message.contains("No space left on device") || message.contains("Disk quota exceeded"));
    }
}
