package dev.thaw.converter;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A size as {@code 1048576}, {@code 1Mi} or {@code 512Ki}. */
record ByteSize(int bytes) {
    static ByteSize parse(String text) {
        var lower = text.strip().toLowerCase(Locale.ROOT).replaceAll("i?b?$", "");
        var shift = switch (lower.isEmpty() ? ' ' : lower.charAt(lower.length() - 1)) {
            case 'k' -> 10;
            case 'm' -> 20;
            default -> 0;
        };
        try {
            var number = Long.parseLong(shift == 0 ? lower : lower.substring(0, lower.length() - 1));
            return new ByteSize(Math.toIntExact(Math.multiplyExact(number, 1L << shift)));
        } catch (ArithmeticException | NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text + "\" is no size; write 1Mi, 512Ki or 1048576", e);
        }
    }

    /** For the command line. */
    static final class Converter implements ITypeConverter<ByteSize> {
        @Override
        public ByteSize convert(String text) {
            try {
                return parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }
}
