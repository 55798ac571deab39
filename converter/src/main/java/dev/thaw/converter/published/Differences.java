package dev.thaw.converter.published;

import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.ByteNames;
import java.util.ArrayList;
import java.util.List;

/** What differs between source and published image; the first few by name, the rest counted. */
final class Differences {
    private static final int SHOWN = 10;

    private final List<String> first = new ArrayList<>();
    private long count;

    /** @param path one char a byte, without leading slash */
    void add(String path, String what) {
        if (first.size() < SHOWN) {
            first.add("/" + ByteNames.text(path) + " " + what);
        }
        count++;
    }

    void throwIfAny(String where) throws ConversionException {
        if (count > 0) {
            throw new ConversionException(
                    FailureReason.VerificationFailed,
                    where + " differs from its source in " + count + (count == 1 ? " place: " : " places: ")
                            + String.join("; ", first)
                            + (count > first.size() ? "; and " + (count - first.size()) + " more" : ""));
        }
    }
}
