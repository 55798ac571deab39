package dev.thaw.operator.conversion;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.crds.LazyImageStatus.PlatformImage;
import dev.thaw.crds.Mode;
import dev.thaw.crds.Reason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the converter wrote into its termination message: one JSON document, either of a published image or of an error.
 */
public sealed interface ConversionResult {
    /**
     * A lazy image is published.
     *
     * @param lazyImage reference by digest
     * @param sourceDigest digest of the source that was converted
     * @param bytesRead bytes read from the source's registry
     * @param bytesPushed bytes sent to the target's
     * @param throughput content bytes in a second, 0 when unknown
     * @param verified the published tree was compared with the source and equals it
     */
    record Published(
            String lazyImage,
            String sourceDigest,
            Mode mode,
            String modeReason,
            List<PlatformImage> platforms,
            long bytesRead,
            long bytesPushed,
            Duration took,
            long throughput,
            boolean verified)
            implements ConversionResult {
        public Published {
            platforms = List.copyOf(platforms);
        }
    }

    /** It ended with an error. */
    record Refused(Failure failure) implements ConversionResult {}

    /** Reads a termination message; empty when it is no such document. */
    static Optional<ConversionResult> parse(String message) {
        if (message.isBlank()) {
            return Optional.empty();
        }
        try {
            var document = new ObjectMapper().readTree(message);
            if (document == null || !document.isObject()) {
                return Optional.empty();
            }
            var error = document.path("error");
            return error.isObject() ? Optional.of(new Refused(failure(error))) : published(document);
        } catch (JsonProcessingException e) {
            return Optional.empty(); // cut off, or written by something that is not our converter
        }
    }

    private static Failure failure(JsonNode error) {
        var word = error.path("reason").asText();
        var known = Reason.of(word);
        var reason = known == Reason.UNKNOWN ? Reason.INTERNAL : known;
        var message = error.path("message").asText(reason.sentence());
        return new Failure(
                reason,
                known == Reason.UNKNOWN ? word + ": " + message : message,
                error.path("retryable").asBoolean(false));
    }

    private static Optional<ConversionResult> published(JsonNode document) {
        var reference = document.path("lazyImage").path("reference").asText();
        var sourceDigest = document.path("source").path("digest").asText();
        var platforms = new ArrayList<PlatformImage>();
        for (var platform : document.path("platforms")) {
            platforms.add(new PlatformImage(
                    platform.path("platform").asText(),
                    platform.path("sourceDigest").asText(),
                    platform.path("lazyDigest").asText(),
                    platform.path("artifactDigest").asText(),
                    platform.path("layers").asInt(),
                    platform.path("reusedLayers").asInt(),
                    platform.path("files").asLong(),
                    platform.path("chunks").asLong(),
                    platform.path("sourceBytes").asLong(),
                    platform.path("contentBytes").asLong(),
                    platform.path("blobBytes").asLong(),
                    platform.path("sharedBytes").asLong(),
                    platform.path("bootstrapBytes").asLong(),
                    platform.path("duplicateBytes").asLong()));
        }
        boolean whole = reference.contains("@")
                && !sourceDigest.isEmpty()
                && !platforms.isEmpty()
                && platforms.stream()
                        .noneMatch(platform -> platform.artifactDigest().isEmpty()
                                || platform.lazyDigest().isEmpty());
        return whole
                ? Optional.of(new Published(
                        reference,
                        sourceDigest,
                        mode(document.path("mode").asText()),
                        document.path("modeReason").asText(),
                        platforms,
                        document.path("bytesRead").asLong(),
                        document.path("bytesPushed").asLong(),
                        Duration.ofMillis(
                                Math.round(document.path("durationSeconds").asDouble() * 1000)),
                        document.path("throughputBytesPerSecond").asLong(),
                        document.path("verified").asBoolean(false)))
                : Optional.empty();
    }

    private static Mode mode(String word) {
        return word.equals(Mode.INDEX.word()) ? Mode.INDEX : Mode.CONVERT;
    }
}
