package dev.thaw.operator.conversion;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.crds.ConversionPhase;
import dev.thaw.crds.LazyImageStatus.Progress;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The last lines of a converter's log. Progress comes as JSON lines,
 * {@code {"progress":{"phase":"convert","bytesDone":n,"bytesTotal":n}}}; everything else is for people.
 *
 * @param lines oldest first
 */
public record ConversionLog(List<String> lines) {
    /** Lines that a status shows of a failed try. */
    public static final int SHOWN_LINES = 10;

    /** Longest line that a status shows. */
    private static final int SHOWN_LENGTH = 300;

    private static final ObjectMapper JSON = new ObjectMapper();

    public ConversionLog {
        lines = List.copyOf(lines);
    }

    /** Splits a log into its lines. */
    public static ConversionLog of(String text) {
        return new ConversionLog(text.lines().toList());
    }

    /** The newest progress, if any was written. */
    public Optional<Progress> progress() {
        return lines.reversed().stream()
                .map(ConversionLog::progressIn)
                .flatMap(Optional::stream)
                .findFirst();
    }

    /** The last lines for people; empty when there are none. */
    public String tail() {
        var readable = lines.stream()
                .filter(line -> !line.isBlank() && !isProgress(line))
                .map(line -> line.length() <= SHOWN_LENGTH ? line : line.substring(0, SHOWN_LENGTH) + "…")
                .toList();
        return String.join("\n", readable.subList(Math.max(0, readable.size() - SHOWN_LINES), readable.size()));
    }

    private static boolean isProgress(String line) {
        return line.startsWith("{\"progress\"");
    }

    private static Optional<Progress> progressIn(String line) {
        if (!isProgress(line)) {
            return Optional.empty();
        }
        try {
            return read(JSON.readTree(line).path("progress"));
        } catch (JsonProcessingException e) {
            return Optional.empty(); // the log was read while the line was being written
        }
    }

    private static Optional<Progress> read(JsonNode progress) {
        var word = progress.path("phase").asText();
        return Arrays.stream(ConversionPhase.values())
                .filter(phase -> phase.word().equals(word))
                .findFirst()
                .map(phase -> Progress.of(
                        phase,
                        progress.path("bytesDone").asLong(),
                        progress.path("bytesTotal").asLong()));
    }
}
