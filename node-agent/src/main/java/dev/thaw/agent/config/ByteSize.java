package dev.thaw.agent.config;

import java.util.regex.Pattern;

/** A number of bytes, written as Kubernetes writes quantities: {@code 50Gi}, {@code 8Mi}, {@code 1000}, {@code 2G}. */
public record ByteSize(long bytes) {
    private static final Pattern FORM = Pattern.compile("([0-9]+)([KMGT]i?|k)?");

    /** @throws IllegalArgumentException when the text is no size or does not fit 63 bits */
    public static ByteSize parse(String text) {
        var match = FORM.matcher(text.strip());
        if (!match.matches()) {
            throw new IllegalArgumentException("'%s' is not a size such as 512Mi or 50Gi".formatted(text));
        }
        var unit = match.group(2);
        long factor = unit == null ? 1 : factor(unit);
        try {
            return new ByteSize(Math.multiplyExact(Long.parseLong(match.group(1)), factor));
        } catch (ArithmeticException | NumberFormatException e) {
            throw new IllegalArgumentException("'%s' is larger than any disk".formatted(text), e);
        }
    }

    private static long factor(String unit) {
        int power = "KMGT".indexOf(Character.toUpperCase(unit.charAt(0))) + 1;
        long base = unit.endsWith("i") ? 1024 : 1000;
        long factor = 1;
        for (int i = 0; i < power; i++) {
            factor *= base;
        }
        return factor;
    }
}
