package dev.thaw.agent.config;

import java.time.Duration;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A length of time, written as Go and Kubernetes do: {@code 30s}, {@code 5m}, {@code 1h30m}, {@code 250ms}. */
public record Span(Duration duration) {
    private static final Pattern FORM = Pattern.compile("(?:(\\d+)h)?(?:(\\d+)m)?(?:(\\d+)s)?(?:(\\d+)ms)?");

    /** @throws IllegalArgumentException when the text is no length of time */
    public static Span parse(String text) {
        var match = FORM.matcher(text.strip());
        if (text.isBlank() || !match.matches()) {
            throw new IllegalArgumentException("'%s' is not a duration such as 30s or 5m".formatted(text));
        }
        try {
            var duration = Duration.ofHours(number(match.group(1)))
                    .plusMinutes(number(match.group(2)))
                    .plusSeconds(number(match.group(3)))
                    .plusMillis(number(match.group(4)));
            return new Span(duration);
        } catch (ArithmeticException | NumberFormatException e) {
            throw new IllegalArgumentException("'%s' is too long a time".formatted(text), e);
        }
    }

    private static long number(@Nullable String digits) {
        return digits == null ? 0 : Long.parseLong(digits);
    }
}
