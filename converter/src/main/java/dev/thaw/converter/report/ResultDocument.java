package dev.thaw.converter.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.IntFunction;

/**
 * The one JSON document in which the converter answers. Keys only ever get added.
 *
 * <p>In a file it is kept under {@value #FILE_BYTES} bytes, since kubelet cuts termination messages there: messages are
 * shortened, platforms lose their figures, and then the last ones are left out and counted in {@code platformsOmitted}.
 */
public final class ResultDocument {
    static final int FILE_BYTES = 4000;
    private static final int MESSAGE_CHARS = 1500;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final IntFunction<ObjectNode> shorter;

    /** @param shorter makes the document; 0 asks for all of it, each higher number for less */
    private ResultDocument(IntFunction<ObjectNode> shorter) {
        this.shorter = shorter;
    }

    public static ResultDocument of(ConversionResult result) {
        return new ResultDocument(level -> success(result, level));
    }

    public static ResultDocument of(ConversionException failure) {
        return new ResultDocument(level -> {
            var document = JSON.createObjectNode();
            var message = failure.text();
            var length = Math.max(100, MESSAGE_CHARS - 300 * level);
            document.putObject("error")
                    .put("reason", failure.reason().name())
                    .put("message", message.length() > length ? message.substring(0, length) + "…" : message)
                    .put("retryable", failure.reason().isRetryable());
            return document;
        });
    }

    /** Everything, on one line. */
    public String full() {
        return shorter.apply(0).toString();
    }

    /** As much as fits into a termination message. */
    public String brief() {
        for (var level = 0; ; level++) {
            var text = shorter.apply(level).toString();
            if (text.getBytes(StandardCharsets.UTF_8).length <= FILE_BYTES || level > 1000) {
                return text;
            }
        }
    }

    /** Writes the brief form over what the file holds; the file need not exist, and may be a device or a pipe. */
    public void writeTo(Path file) throws IOException {
        Files.writeString(
                file,
                brief() + "\n",
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING);
    }

    private static ObjectNode success(ConversionResult result, int level) {
        var document = JSON.createObjectNode();
        document.putObject("source").put("reference", result.sourceReference()).put("digest", result.sourceDigest());
        document.putObject("lazyImage")
                .put("reference", result.lazyReference())
                .put("digest", result.lazyDigest())
                .put("tag", result.tag());
        document.put("mode", result.mode());
        document.put("modeReason", result.modeReason());
        var platforms = document.putArray("platforms");
        var shown = Math.max(0, result.platforms().size() - Math.max(0, level - 1));
        for (var platform : result.platforms().subList(0, shown)) {
            add(platforms.addObject(), platform, level == 0);
        }
        if (shown < result.platforms().size()) {
            document.put("platformsOmitted", result.platforms().size() - shown);
        }
        document.put("bytesRead", result.bytesRead());
        document.put("bytesPushed", result.bytesPushed());
        document.put("durationSeconds", Math.round(result.duration().toMillis() / 10.0) / 100.0);
        document.put("throughputBytesPerSecond", result.throughputBytesPerSecond());
        document.put("verified", result.isVerified());
        document.put("verifiedEntries", result.verifiedEntries());
        return document;
    }

    private static void add(ObjectNode json, PlatformResult platform, boolean withFigures) {
        json.put("platform", platform.platform());
        json.put("lazyDigest", platform.lazyDigest());
        json.put("artifactDigest", platform.artifactDigest());
        json.put("sourceDigest", platform.sourceDigest());
        if (withFigures) {
            json.put("layers", platform.layers());
            json.put("files", platform.files());
            json.put("chunks", platform.chunks());
            json.put("sourceBytes", platform.sourceBytes());
            json.put("contentBytes", platform.contentBytes());
            json.put("blobBytes", platform.blobBytes());
            json.put("sharedBytes", platform.sharedBytes());
            json.put("bootstrapBytes", platform.bootstrapBytes());
            json.put("duplicateBytes", platform.duplicateBytes());
            json.put("reusedLayers", platform.reusedLayers());
            json.put("indexedLayers", platform.indexedLayers());
            json.put("artifactBytes", platform.artifactBytes());
            json.put("artifactRatio", Math.round(platform.artifactRatio() * 10_000) / 10_000.0);
        }
    }
}
