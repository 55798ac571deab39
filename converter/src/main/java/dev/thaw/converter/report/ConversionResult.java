package dev.thaw.converter.report;

import java.time.Duration;
import java.util.List;

/**
 * What came of a conversion.
 *
 * @param sourceReference as it was given
 * @param sourceDigest of the document that it meant: index or manifest
 * @param lazyReference {@code repository@digest} of the index
 * @param lazyDigest of the index
 * @param tag that now points to it
 * @param mode {@code Convert} or {@code Index}
 * @param modeReason why this mode
 * @param platforms one for each platform converted
 * @param bytesRead from registries, for converting and for verifying
 * @param bytesPushed to the target
 * @param contentBytes uncompressed layer bytes that went through the converter
 * @param convertTime that it took
 * @param duration of everything
 * @param isVerified whether source and result were compared
 * @param verifiedEntries files that were compared, over all platforms
 */
public record ConversionResult(
        String sourceReference,
        String sourceDigest,
        String lazyReference,
        String lazyDigest,
        String tag,
        String mode,
        String modeReason,
        List<PlatformResult> platforms,
        long bytesRead,
        long bytesPushed,
        long contentBytes,
        Duration convertTime,
        Duration duration,
        boolean isVerified,
        long verifiedEntries) {

    public ConversionResult {
        platforms = List.copyOf(platforms);
    }

    /** Uncompressed layer bytes per second of converting; 0 if every layer had been converted before. */
    public long throughputBytesPerSecond() {
        var seconds = convertTime.toNanos() / 1e9;
        return seconds <= 0 ? 0 : (long) (contentBytes / seconds);
    }
}
