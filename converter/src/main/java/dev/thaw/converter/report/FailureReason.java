package dev.thaw.converter.report;

/** Why a conversion failed: a closed list, since programs act on it. The names are part of the result document. */
public enum FailureReason {
    /** The source, or a part of it, is not in its registry. */
    SourceNotFound(false),
    /** The source registry wants credentials, or other ones. */
    SourceUnauthorized(false),
    /** The target registry does not let us push. */
    TargetForbidden(false),
    /** A registry cannot be reached, is overloaded or answers nonsense. */
    RegistryUnavailable(true),
    /** The source is of a kind that cannot be converted. */
    UnsupportedMediaType(false),
    /** A layer's bytes are not what its digest says, or cannot be unpacked. */
    CorruptLayer(false),
    /** A layer holds what containerd would refuse to unpack too. */
    UnsafeLayer(false),
    /** The disk of the work directory is full. */
    DiskFull(true),
    /** What was published differs from the source. */
    VerificationFailed(false),
    /** The source has no image for a platform that was asked for. */
    PlatformNotFound(false),
    /** A fault of the converter itself, or it was stopped. */
    Internal(true);

    private final boolean isRetryable;

    FailureReason(boolean isRetryable) {
        this.isRetryable = isRetryable;
    }

    /** Whether running the same command again may well succeed without anybody changing anything. */
    public boolean isRetryable() {
        return isRetryable;
    }
}
