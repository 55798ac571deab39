package dev.thaw.oci;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A registry did not do what was asked. The message says what was tried, on what, what came back and what to do about
 * it; it holds no credential and no query of a URL.
 */
public abstract sealed class RegistryException extends IOException {
    private final int status;

    private RegistryException(String message, int status, @Nullable Throwable cause) {
        super(message, cause);
        this.status = status;
    }

    /** The HTTP status that came back, if one did. */
    public OptionalInt status() {
        return status == 0 ? OptionalInt.empty() : OptionalInt.of(status);
    }

    /** Whether the same request may succeed later without anybody changing anything. */
    public abstract boolean isTransient();

    /** How long the registry asked us to wait, if it did. */
    public Optional<Duration> retryAfter() {
        return Optional.empty();
    }

    /** The repository, manifest, blob or upload is not there (404), or is hidden from us. */
    public static final class NotFound extends RegistryException {
        NotFound(String message, int status) {
            super(message, status, null);
        }

        @Override
        public boolean isTransient() {
            return false;
        }
    }

    /** No credential, or one that was refused (401). */
    public static final class Unauthorized extends RegistryException {
        Unauthorized(String message, int status) {
            super(message, status, null);
        }

        @Override
        public boolean isTransient() {
            return false;
        }
    }

    /** The registry knows us and says no (403), or does not permit the operation at all. */
    public static final class Denied extends RegistryException {
        Denied(String message, int status) {
            super(message, status, null);
        }

        @Override
        public boolean isTransient() {
            return false;
        }
    }

    /** Too many requests (429). */
    public static final class RateLimited extends RegistryException {
        private final @Nullable Duration retryAfter;

        RateLimited(String message, int status, @Nullable Duration retryAfter) {
            super(message, status, null);
            this.retryAfter = retryAfter;
        }

        @Override
        public boolean isTransient() {
            return true;
        }

        @Override
        public Optional<Duration> retryAfter() {
            return Optional.ofNullable(retryAfter);
        }
    }

    /** The registry could not be reached, broke off, took too long or answered with a server error. */
    public static final class Unavailable extends RegistryException {
        private final boolean passing;
        private final @Nullable Duration retryAfter;

        Unavailable(
                String message, int status, boolean passing, @Nullable Duration retryAfter, @Nullable Throwable cause) {
            super(message, status, cause);
            this.passing = passing;
            this.retryAfter = retryAfter;
        }

        /** False where waiting does not help, as with a certificate that is not trusted. */
        @Override
        public boolean isTransient() {
            return passing;
        }

        @Override
        public Optional<Duration> retryAfter() {
            return Optional.ofNullable(retryAfter);
        }
    }

    /** What came back breaks the protocol, or is not the content that was asked for. */
    public static final class Invalid extends RegistryException {
        Invalid(String message, int status) {
            super(message, status, null);
        }

        @Override
        public boolean isTransient() {
            return false;
        }
    }
}
