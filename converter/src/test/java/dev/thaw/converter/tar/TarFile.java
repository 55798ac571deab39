package dev.thaw.converter.tar;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes tar archives for tests, header by header, so that also those can be written that no decent writer makes. Names are strings of
 * one char a byte.
 */
public final class TarFile {
    private static final int BLOCK = 512;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<String, byte[]> pax = new TreeMap<>();
    private int mode = 0644;
    private long uid;
    private long gid;
    private long mtime = 1_700_000_000;

    /** For all entries that follow. */
    public TarFile mode(int newMode) {
        mode = newMode;
        return this;
    }

    public TarFile owner(long newUid, long newGid) {
        uid = newUid;
        gid = newGid;
        return this;
    }

    public TarFile mtime(long seconds) {
        mtime = seconds;
        return this;
    }

    /** A PAX record for the next entry. */
    public TarFile pax(String key, byte[] value) {
        pax.put(key, value);
        return this;
    }

    public TarFile pax(String key, String value) {
        return pax(key, value.getBytes(StandardCharsets.UTF_8));
    }

    public TarFile file(String name, String content) {
        return file(name, content.getBytes(StandardCharsets.UTF_8));
    }

    public TarFile file(String name, byte[] content) {
        return entry(name, '0', "", content, 0, 0);
    }

    public TarFile directory(String name) {
        return directory(name, 0755);
    }

    public TarFile directory(String name, int directoryMode) {
        var before = mode;
        mode = directoryMode;
        entry(name.endsWith("/") ? name : name + "/", '5', "", new byte[0], 0, 0);
        mode = before;
        return this;
    }

    public TarFile symlink(String name, String target) {
        return entry(name, '2', target, new byte[0], 0, 0);
    }

    public TarFile hardLink(String name, String target) {
        return entry(name, '1', target, new byte[0], 0, 0);
    }

    public TarFile device(String name, char type, int major, int minor) {
        return entry(name, type, "", new byte[0], major, minor);
    }

    public TarFile entry(String name, char type, String link, byte[] content, int major, int minor) {
        writePax();
        var header = header(name, type, link, content.length, major, minor);
        return raw(header, content);
    }

    /** A GNU long name or long link, for the next entry. */
    public TarFile gnuLong(char type, String text) {
        var bytes = (text + "\0").getBytes(StandardCharsets.ISO_8859_1);
        var header = header("././@LongLink", type, "", bytes.length, 0, 0);
        put(header, 257, "ustar  \0");
        return raw(header, bytes);
    }

    /** A header made elsewhere, with its checksum put right, and what follows it. */
    public TarFile raw(byte[] header, byte[] content) {
        checksum(header);
        out.writeBytes(header);
        return data(content);
    }

    /** Bytes, padded to a block. */
    public TarFile data(byte[] content) {
        out.writeBytes(content);
        out.writeBytes(new byte[-content.length & (BLOCK - 1)]);
        return this;
    }

    public byte[] header(String name, char type, String link, long size, int major, int minor) {
        var header = new byte[BLOCK];
        put(header, 0, name.length() > 100 ? name.substring(0, 100) : name);
        put(header, 100, "%07o\0".formatted(mode));
        number(header, 108, 8, uid);
        number(header, 116, 8, gid);
        number(header, 124, 12, size);
        number(header, 136, 12, mtime);
        header[156] = (byte) type;
        put(header, 157, link.length() > 100 ? link.substring(0, 100) : link);
        put(header, 257, "ustar\0" + "00");
        number(header, 329, 8, major);
        number(header, 337, 8, minor);
        return header;
    }

    public static void put(byte[] header, int at, String text) {
        var bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(bytes, 0, header, at, bytes.length);
    }

    /** Octal if it fits, else base 256. */
    public static void number(byte[] header, int at, int length, long value) {
        if (value >= 0 && value < 1L << 3 * (length - 1)) {
            put(header, at, ("%0" + (length - 1) + "o\0").formatted(value));
            return;
        }
        for (var i = 0; i < length; i++) {
            header[at + length - 1 - i] = (byte) (i < 8 ? value >> 8 * i : value >> 63);
        }
        header[at] |= (byte) 0x80;
    }

    private void writePax() {
        if (pax.isEmpty()) {
            return;
        }
        var records = new ByteArrayOutputStream();
        pax.forEach((key, value) -> records.writeBytes(record(key, value)));
        pax.clear();
        raw(header("PaxHeaders/x", 'x', "", records.size(), 0, 0), records.toByteArray());
    }

    public static byte[] record(String key, byte[] value) {
        var body = new ByteArrayOutputStream();
        body.writeBytes((" " + key + "=").getBytes(StandardCharsets.ISO_8859_1));
        body.writeBytes(value);
        body.write('\n');
        var length = body.size();
        var total = length + Integer.toString(length).length();
        total = length + Integer.toString(total).length();
        var record = new ByteArrayOutputStream();
        record.writeBytes(Integer.toString(total).getBytes(StandardCharsets.US_ASCII));
        record.writeBytes(body.toByteArray());
        return record.toByteArray();
    }

    private static void checksum(byte[] header) {
        put(header, 148, "        ");
        var sum = 0;
        for (var b : header) {
            sum += b & 0xff;
        }
        put(header, 148, "%06o\0 ".formatted(sum));
    }

    /** The archive with its two blocks of zeros. */
    public byte[] bytes() {
        var archive = new ByteArrayOutputStream();
        archive.writeBytes(out.toByteArray());
        archive.writeBytes(new byte[2 * BLOCK]);
        return archive.toByteArray();
    }

    /** The archive as far as it was written. */
    public byte[] unfinished() {
        return out.toByteArray();
    }
}
