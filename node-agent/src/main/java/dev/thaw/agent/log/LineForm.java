package dev.thaw.agent.log;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;

/**
 * How a line of the log looks. Made by hand: what makes it is the first thing that a starting agent waits for, and formatters
 * take long until they are ready.
 */
enum LineForm {
    /** {@code 2026-01-31T12:00:00.000Z INFO  Agent - what happened}, and the trace of what was thrown below it. */
    TEXT {
        @Override
        String line(long atMillis, Level level, String logger, String message, @Nullable Throwable thrown) {
            var line = new StringBuilder(message.length() + 64);
            time(line, atMillis);
            line.append(' ').append(level).append(level.toString().length() < 5 ? "  " : " ");
            line.append(logger, logger.lastIndexOf('.') + 1, logger.length());
            line.append(" - ").append(message).append('\n');
            return thrown == null ? line.toString() : line.append(trace(thrown)).toString();
        }
    },
    /** An object with {@code @timestamp}, {@code level}, {@code logger_name}, {@code thread_name}, {@code message} and {@code stack_trace}. */
    JSON {
        @Override
        String line(long atMillis, Level level, String logger, String message, @Nullable Throwable thrown) {
            var line = new StringBuilder(message.length() + 160);
            line.append("{\"@timestamp\":\"");
            time(line, atMillis);
            line.append('"');
            field(line, "level", level.toString());
            field(line, "logger_name", logger);
            field(line, "thread_name", Thread.currentThread().getName());
            field(line, "message", message);
            if (thrown != null) {
                field(line, "stack_trace", trace(thrown));
            }
            return line.append("}\n").toString();
        }
    };

    /** A line with its end. */
    abstract String line(long atMillis, Level level, String logger, String message, @Nullable Throwable thrown);

    private static void time(StringBuilder line, long atMillis) {
        var time = LocalDateTime.ofEpochSecond(Math.floorDiv(atMillis, 1000), 0, ZoneOffset.UTC);
        number(line, time.getYear(), 4).append('-');
        number(line, time.getMonthValue(), 2).append('-');
        number(line, time.getDayOfMonth(), 2).append('T');
        number(line, time.getHour(), 2).append(':');
        number(line, time.getMinute(), 2).append(':');
        number(line, time.getSecond(), 2).append('.');
        number(line, Math.floorMod(atMillis, 1000), 3).append('Z');
    }

    private static StringBuilder number(StringBuilder line, int number, int digits) {
        var text = Integer.toString(number);
        for (int missing = digits - text.length(); missing > 0; missing--) {
            line.append('0');
        }
        return line.append(text);
    }

    private static void field(StringBuilder line, String name, String value) {
        line.append(",\"").append(name).append("\":\"");
        JsonStringEncoder.getInstance().quoteAsString(value, line);
        line.append('"');
    }

    private static String trace(Throwable thrown) {
        var text = new StringWriter();
        thrown.printStackTrace(new PrintWriter(text));
        return text.toString();
    }
}
