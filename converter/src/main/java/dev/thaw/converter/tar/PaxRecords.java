package dev.thaw.converter.tar;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The records of one PAX extended header: {@code "<decimal length> <key>=<value>\n"}, values being raw bytes. Of several records
 * with one key the last one counts, except the offset/size pairs of sparse format 0.0, which are a list.
 */
final class PaxRecords {
    private static final String SCHILY_XATTR = "SCHILY.xattr.";
    private static final String LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";
    private static final Set<String> NAMES = Set.of("path", "linkpath", "GNU.sparse.name");
    private static final int MAX_LENGTH_DIGITS = 10;

    private final Map<String, byte[]> values = new HashMap<>();
    private final List<String> sparsePairs = new ArrayList<>();

    static PaxRecords parse(byte[] data, long offset) throws CorruptTarException {
        var records = new PaxRecords();
        var at = 0;
        while (at < data.length) {
            at = records.parseOne(data, at, offset);
        }
        return records;
    }

    private int parseOne(byte[] data, int start, long offset) throws CorruptTarException {
        var length = 0;
        var at = start;
        while (at < data.length && data[at] >= '0' && data[at] <= '9' && at - start < MAX_LENGTH_DIGITS) {
            length = length * 10 + (data[at] - '0');
            at++;
        }
        var end = start + length;
        if (at == start
                || at >= data.length
                || data[at] != ' '
                || end > data.length
                || end < at + 2
                || data[end - 1] != '\n') {
            throw new CorruptTarException(offset + start, "an extended header record has a wrong length");
        }
        var keyStart = at + 1;
        var equals = keyStart;
        while (equals < end && data[equals] != '=') {
            equals++;
        }
        if (equals >= end || equals == keyStart) {
            throw new CorruptTarException(offset + start, "an extended header record has no key");
        }
        var key = ByteNames.of(data, keyStart, equals - keyStart);
        var value = new byte[end - 1 - (equals + 1)];
        System.arraycopy(data, equals + 1, value, 0, value.length);
        if (NAMES.contains(key) && contains(value, (byte) 0)) {
            throw new CorruptTarException(offset + start, "the record " + key + " holds a NUL byte");
        }
        if (key.equals("GNU.sparse.offset") || key.equals("GNU.sparse.numbytes")) {
            sparsePairs.add(ByteNames.of(value));
        }
        values.put(key, value);
        return end;
    }

    private static boolean contains(byte[] bytes, byte wanted) {
        for (var b : bytes) {
            if (b == wanted) {
                return true;
            }
        }
        return false;
    }

    /** The value with one char a byte; null if there is no such record or it is empty, which means "as in the header". */
    @Nullable String text(String key) {
        var value = values.get(key);
        return value == null || value.length == 0 ? null : ByteNames.of(value);
    }

    long number(String key, long otherwise, long offset) throws CorruptTarException {
        var text = text(key);
        return text == null ? otherwise : decimal(text, key, offset);
    }

    static long decimal(String text, String key, long offset) throws CorruptTarException {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new CorruptTarException(offset, "the record " + key + " is no number");
        }
    }

    /** Offsets and lengths in turn, of sparse format 0.0. */
    List<String> sparsePairs() {
        return sparsePairs;
    }

    /**
     * Extended attributes, whole name to raw value. star's records hold the bytes as they are. libarchive's hold URL-encoded names
     * and base64 values, and count only where star's record of that name is absent (libarchive writes both).
     */
    Map<String, byte[]> xattrs() {
        var xattrs = new TreeMap<String, byte[]>();
        for (var record : values.entrySet()) {
            var key = record.getKey();
            if (key.startsWith(SCHILY_XATTR) && key.length() > SCHILY_XATTR.length()) {
                xattrs.put(key.substring(SCHILY_XATTR.length()), record.getValue());
            }
        }
        for (var record : values.entrySet()) {
            var key = record.getKey();
            if (key.startsWith(LIBARCHIVE_XATTR) && key.length() > LIBARCHIVE_XATTR.length()) {
                var value = base64(record.getValue());
                if (value != null) {
                    xattrs.putIfAbsent(percentDecoded(key.substring(LIBARCHIVE_XATTR.length())), value);
                }
            }
        }
        return xattrs;
    }

    private static byte @Nullable [] base64(byte[] text) {
        var end = text.length;
        while (end > 0 && text[end - 1] == '=') {
            end--;
        }
        try {
            return Base64.getDecoder().decode(ByteNames.of(text, 0, end));
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static String percentDecoded(String name) {
        if (name.indexOf('%') < 0) {
            return name;
        }
        var out = new ByteArrayOutputStream(name.length());
        for (var i = 0; i < name.length(); i++) {
            var c = name.charAt(i);
            if (c == '%'
                    && i + 2 < name.length()
                    && Character.digit(name.charAt(i + 1), 16) >= 0
                    && Character.digit(name.charAt(i + 2), 16) >= 0) {
                out.write(Character.digit(name.charAt(i + 1), 16) << 4 | Character.digit(name.charAt(i + 2), 16));
                i += 2;
            } else {
                out.write(c);
            }
        }
        return ByteNames.of(out.toByteArray());
    }
}
