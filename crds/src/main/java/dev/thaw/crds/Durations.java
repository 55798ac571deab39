package dev.thaw.crds;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.regex.Pattern;

/** Durations as Kubernetes writes them: {@code 500ms}, {@code 5m}, {@code 1h30m}, {@code 0.42s}. */
public final class Durations {
    /** What a field that holds a duration must match. */
    public static final String PATTERN = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$";

    private static final Pattern WHOLE = Pattern.compile(PATTERN);
    private static final Pattern PART = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)(ms|s|m|h)");
    private static final BigDecimal NANOS_PER_MILLI = BigDecimal.valueOf(1_000_000);

    private Durations() {}

    /**
     * Reads one or more numbers with a unit of ms, s, m or h each; what is smaller than a nanosecond is cut off.
     *
     * @throws IllegalArgumentException when the text is no such thing
     * @throws ArithmeticException when it is longer than 292 years
     */
    public static Duration parse(String text) {
        if (!WHOLE.matcher(text).matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not a duration: write numbers with ms, s, m or h, such as 500ms or 1h30m");
        }
        var nanos = BigDecimal.ZERO;
        var part = PART.matcher(text);
        while (part.find()) {
            nanos = nanos.add(new BigDecimal(part.group(1)).multiply(nanosPer(part.group(2))));
        }
        return Duration.ofNanos(nanos.setScale(0, RoundingMode.DOWN).longValueExact());
    }

    /**
     * Seconds to about three digits, for statuses: {@code 0.42s}, {@code 12.5s}, {@code 184s}. {@link #parse} reads it back.
     */
    public static String print(Duration duration) {
        var seconds = BigDecimal.valueOf(duration.toNanos(), 9);
        int decimals =
                seconds.compareTo(BigDecimal.TEN) < 0 ? 2 : seconds.compareTo(BigDecimal.valueOf(100)) < 0 ? 1 : 0;
        return seconds.setScale(decimals, RoundingMode.HALF_UP).toPlainString() + "s";
    }

    private static BigDecimal nanosPer(String unit) {
        return switch (unit) {
            case "ms" -> NANOS_PER_MILLI;
            case "s" -> NANOS_PER_MILLI.scaleByPowerOfTen(3);
            case "m" -> NANOS_PER_MILLI.multiply(BigDecimal.valueOf(60_000));
            case "h" -> NANOS_PER_MILLI.multiply(BigDecimal.valueOf(3_600_000));
            default -> throw new IllegalArgumentException("no unit of time: " + unit);
        };
    }
}
