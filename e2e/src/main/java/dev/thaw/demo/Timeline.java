package dev.thaw.demo;

import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;

/** What happened when, one line each; before {@link #begin} there is only preparation. */
final class Timeline {
    private final PrintStream out;
    private Optional<Instant> zero = Optional.empty();

    Timeline(PrintStream out) {
        this.out = out;
    }

    /** The lines from here on show the time since now. */
    void begin() {
        zero = Optional.of(Instant.now());
    }

    /** Something that happens now. */
    void say(String what, Object... values) {
        at(Instant.now(), what, values);
    }

    /** Something that happened a moment ago. */
    void at(Instant when, String what, Object... values) {
        var time = zero.map(from -> seconds(Duration.between(from, when))).orElse("");
        line("%11s  ".formatted(time), what.formatted(values));
    }

    /** More about the line before. */
    void detail(String what, Object... values) {
        line(" ".repeat(13), what.formatted(values));
    }

    private void line(String margin, String text) {
        out.println(margin + text);
        out.flush();
    }

    static String seconds(Duration time) {
        return String.format(Locale.ROOT, "%.3f s", time.toNanos() / 1e9);
    }

    static String bytes(long bytes) {
        if (bytes < 1 << 10) {
            return bytes + " B";
        }
        return bytes < 1 << 20
                ? String.format(Locale.ROOT, "%.1f KiB", bytes / 1024.0)
                : String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
    }
}
