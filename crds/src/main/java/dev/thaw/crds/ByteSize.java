package dev.thaw.crds;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.regex.Pattern;

/**
 * A number of bytes as Kubernetes quantities write it: {@code 1048576}, {@code 1Mi}, {@code 50Gi}, {@code 200M}.
 *
 * @param bytes not negative
 */
public record ByteSize(long bytes) implements Comparable<ByteSize> {
    /** What a field that holds a size must match: a whole number above zero with a binary or decimal unit, or none. */
    public static final String PATTERN = "^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$";

    private static final Pattern WHOLE = Pattern.compile("^([0-9]+)(Ki|Mi|Gi|Ti|k|M|G|T)?$");
    private static final String[] BINARY_UNITS = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};

    public ByteSize {
        if (bytes < 0) {
            throw new IllegalArgumentException("a size cannot be negative: " + bytes);
        }
    }

    /** That many bytes. */
    public static ByteSize of(long bytes) {
        return new ByteSize(bytes);
    }

    /**
     * Reads a whole number with a unit of Ki, Mi, Gi, Ti, k, M, G, T or none.
     *
     * @throws IllegalArgumentException when the text is no such thing
     * @throws ArithmeticException when it exceeds eight exbibytes
     */
    public static ByteSize parse(String text) {
        var matcher = WHOLE.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not a size: write a whole number of bytes, with Ki, Mi, Gi or Ti if you like");
        }
        var number = new BigDecimal(matcher.group(1));
        return new ByteSize(
                number.multiply(BigDecimal.valueOf(unit(matcher.group(2)))).longValueExact());
    }

    /** With the largest binary unit that is exact: {@code 1Mi}, {@code 1048577}. {@link #parse} reads it back. */
    @Override
    public String toString() {
        long number = bytes;
        int unit = 0;
        while (number != 0 && number % 1024 == 0 && unit < BINARY_UNITS.length - 2) {
            number /= 1024;
            unit++;
        }
        return number + BINARY_UNITS[unit];
    }

    /** For the eye, with one decimal below ten: {@code 1.2Ti}, {@code 412Gi}. */
    public String rounded() {
        var number = BigDecimal.valueOf(bytes);
        int unit = 0;
        while (number.compareTo(BigDecimal.valueOf(1000)) >= 0 && unit < BINARY_UNITS.length - 1) {
            number = number.divide(BigDecimal.valueOf(1024));
            unit++;
        }
        int decimals = unit > 0 && number.compareTo(BigDecimal.TEN) < 0 ? 1 : 0;
        return number.setScale(decimals, RoundingMode.HALF_UP).toPlainString() + BINARY_UNITS[unit];
    }

    @Override
    public int compareTo(ByteSize other) {
        return Long.compare(bytes, other.bytes);
    }

    private static long unit(String name) {
        return switch (name == null ? "" : name) {
            case "" -> 1L;
            case "Ki" -> 1L << 10;
            case "Mi" -> 1L << 20;
            case "Gi" -> 1L << 30;
            case "Ti" -> 1L << 40;
            case "k" -> 1_000L;
            case "M" -> 1_000_000L;
            case "G" -> 1_000_000_000L;
            case "T" -> 1_000_000_000_000L;
            default -> throw new IllegalArgumentException("no unit of size: " + name);
        };
    }
}
