package dev.thaw.agent.registry;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.regex.Pattern;

/** A length of time as Go writes it: {@code 12h0m0s}, {@code 1.5h}, {@code 0}. Less than a millisecond is nothing here. */
final class GoDuration {
    private static final Pattern PART = Pattern.compile("\\G(\\d{1,9}(?:\\.\\d{1,9})?)(h|ms|m|s|us|µs|ns)");

    private GoDuration() {}

    /** @throws IllegalArgumentException if it is none, or is negative */
    static Duration parse(String text) {
        if (text.equals("0")) {
            return Duration.ZERO;
        }
        var sum = Duration.ZERO;
        var parts = PART.matcher(text);
        int end = 0;
        while (parts.find()) {
            var millis = switch (parts.group(2)) {
                case "h" -> 3_600_000;
                case "m" -> 60_000;
                case "s" -> 1_000;
                case "ms" -> 1;
                default -> 0;
            };
            sum = sum.plusMillis(new BigDecimal(parts.group(1))
                    .multiply(BigDecimal.valueOf(millis))
                    .longValue());
            end = parts.end();
        }
        if (text.isEmpty() || end != text.length()) {
            throw new IllegalArgumentException("'%s' is no duration such as 12h0m0s".formatted(text));
        }
        return sum;
    }
}
