package dev.thaw.converter.tar;

/** The number fields of a header: octal text, or big-endian two's complement if the first bit is set. */
final class TarNumbers {
    private TarNumbers() {}

    static long parse(byte[] block, int from, int length, long blockOffset, String field) throws CorruptTarException {
        if ((block[from] & 0x80) != 0) {
            return parseBase256(block, from, length, blockOffset, field);
        }
        var start = from;
        var end = from + length;
        while (start < end && isPadding(block[start])) {
            start++;
        }
        while (end > start && isPadding(block[end - 1])) {
            end--;
        }
        // Some writers leave garbage behind the terminating NUL.
        for (var i = start; i < end; i++) {
            if (block[i] == 0) {
                end = i;
            }
        }
        long value = 0;
        for (var i = start; i < end; i++) {
            var digit = block[i] - '0';
            if (digit < 0 || digit > 7 || value > Long.MAX_VALUE >> 3) {
                throw new CorruptTarException(blockOffset + from, "the field " + field + " is no octal number");
            }
            value = value << 3 | digit;
        }
        return value;
    }

    private static long parseBase256(byte[] block, int from, int length, long blockOffset, String field)
            throws CorruptTarException {
        var negative = (block[from] & 0x40) != 0;
        long value = negative ? -1 : 0;
        for (var i = 0; i < length; i++) {
            var octet = block[from + i] & 0xff;
            if (i == 0) {
                octet = negative ? octet | 0x80 : octet & 0x7f;
            }
            var shifted = value << 8 | octet;
            if (shifted >> 8 != value) {
                throw new CorruptTarException(blockOffset + from, "the field " + field + " exceeds 64 bits");
            }
            value = shifted;
        }
        return value;
    }

    private static boolean isPadding(byte b) {
        return b == ' ' || b == 0;
    }
}
