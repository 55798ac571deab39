package dev.thaw.rafs;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads a tar as {@code nydus-image unpack} writes it: ustar headers with PAX records for what does not fit. It says nothing of
 * the root, of nanoseconds and of a directory's number of names, so {@link #asInTar} takes those out of what is expected.
 */
final class UnpackedTar {
    private static final int BLOCK = 512;

    private final FileChannel channel;
    private final TreeMap<String, Seen> seen = new TreeMap<>();
    /** Name to the one that the archive brought first. */
    private final Map<String, String> firstNames = new HashMap<>();

    private UnpackedTar(FileChannel channel) {
        this.channel = channel;
    }

    static Map<String, Seen> read(Path file) throws IOException {
        try (var channel = FileChannel.open(file)) {
            var tar = new UnpackedTar(channel);
            tar.readAll();
            return asInTar(tar.grouped());
        }
    }

    static Map<String, Seen> asInTar(Map<String, Seen> tree) {
        var result = new TreeMap<String, Seen>();
        tree.forEach((path, s) -> {
            boolean file = (s.mode() & Inode.TYPE_MASK) == Inode.TYPE_REGULAR;
            var withoutMore = new Seen(
                    s.mode(),
                    s.uid(),
                    s.gid(),
                    s.mtimeSeconds(),
                    0,
                    file ? s.nlink() : 1,
                    s.sizeBytes(),
                    s.target(),
                    s.rdev(),
                    s.xattrs(),
                    s.content(),
                    s.firstName());
            result.put(path, withoutMore);
        });
        result.remove("");
        return result;
    }

    private void readAll() throws IOException {
        var pax = new TreeMap<String, byte[]>();
        long at = 0;
        while (at < channel.size()) {
            var header = bytes(at, BLOCK);
            at += BLOCK;
            if (header[0] == 0) {
                continue;
            }
            char type = (char) header[156];
            long size = type == '1' || type == '2' || type == '5' ? 0 : number(header, 124, 12);
            if (type == 'x') {
                parse(bytes(at, (int) size), pax);
            } else {
                add(type, header, pax, at, size);
                pax.clear();
            }
            at += Image.roundUp(size, BLOCK);
        }
    }

    private static void parse(byte[] records, Map<String, byte[]> pax) {
        for (int at = 0; at < records.length; ) {
            int blank = at;
            while (records[blank] != ' ') {
                blank++;
            }
            int length = Integer.parseInt(text(records, at, blank - at));
            int equals = blank;
            while (records[equals] != '=') {
                equals++;
            }
            pax.put(
                    text(records, blank + 1, equals - blank - 1),
                    java.util.Arrays.copyOfRange(records, equals + 1, at + length - 1));
            at += length;
        }
    }

    private void add(char type, byte[] header, Map<String, byte[]> pax, long at, long size) throws IOException {
        String prefix = field(header, 345, 155);
        String path = pax.containsKey("path")
                ? latin(pax.get("path"))
                : (prefix.isEmpty() ? "" : prefix + "/") + field(header, 0, 100);
        String target = pax.containsKey("linkpath") ? latin(pax.get("linkpath")) : field(header, 157, 100);
        path = clean(path);
        if (type == '1') {
            String first = clean(target);
            firstNames.put(path, first);
            seen.put(path, seen.get(first));
            return;
        }
        int typeBits = switch (type) {
            case '0' -> Inode.TYPE_REGULAR;
            case '2' -> Inode.TYPE_SYMLINK;
            case '5' -> Inode.TYPE_DIRECTORY;
            default -> throw new IOException("entry " + path + " of type " + type);
        };
        var xattrs = new TreeMap<String, String>();
        pax.forEach((key, value) -> {
            if (key.startsWith("SCHILY.xattr.")) {
                xattrs.put(
                        key.substring("SCHILY.xattr.".length()), HexFormat.of().formatHex(value));
            }
        });
        firstNames.put(path, path);
        seen.put(
                path,
                new Seen(
                        typeBits | (int) number(header, 100, 8),
                        number(header, 108, 8),
                        number(header, 116, 8),
                        number(header, 136, 12),
                        0,
                        1,
                        type == '2' ? target.length() : size,
                        type == '2' ? target : "",
                        "",
                        xattrs,
                        type == '0' ? sha256(at, size) : "",
                        path));
    }

    /** Gives hard links the smallest of their names and their number. */
    private Map<String, Seen> grouped() {
        var smallest = new HashMap<String, String>();
        var count = new HashMap<String, Integer>();
        seen.keySet().forEach(path -> {
            smallest.putIfAbsent(firstNames.get(path), path);
            count.merge(firstNames.get(path), 1, Integer::sum);
        });
        var result = new TreeMap<String, Seen>();
        seen.forEach((path, s) -> {
            String first = firstNames.get(path);
            result.put(
                    path,
                    new Seen(
                            s.mode(),
                            s.uid(),
                            s.gid(),
                            s.mtimeSeconds(),
                            0,
                            count.get(first),
                            s.sizeBytes(),
                            s.target(),
                            "",
                            s.xattrs(),
                            s.content(),
                            smallest.get(first)));
        });
        return result;
    }

    /** nydus writes hard link targets with a leading slash, and directories perhaps with one at the end. */
    private static String clean(String path) {
        String start = path.startsWith("/") ? path.substring(1) : path;
        return start.endsWith("/") ? start.substring(0, start.length() - 1) : start;
    }

    private String sha256(long at, long size) throws IOException {
        var sha256 = ChunkHasher.sha256();
        for (long done = 0; done < size; ) {
            var part = bytes(at + done, (int) Math.min(1 << 20, size - done));
            sha256.update(part);
            done += part.length;
        }
        return HexFormat.of().formatHex(sha256.digest());
    }

    private byte[] bytes(long at, int length) throws IOException {
        var buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, at + buffer.position()) < 0) {
                throw new IOException("the tar ends at " + (at + buffer.position()));
            }
        }
        return buffer.array();
    }

    /** Octal, or base 256 as the low 64 bits have it. */
    private static long number(byte[] header, int from, int length) {
        if (header[from] < 0) {
            long value = 0;
            for (int i = from + 1; i < from + length; i++) {
                value = value << 8 | (header[i] & 0xff);
            }
            return value;
        }
        String digits = field(header, from, length).trim();
        return digits.isEmpty() ? 0 : Long.parseLong(digits, 8);
    }

    private static String field(byte[] header, int from, int length) {
        int end = from;
        while (end < from + length && header[end] != 0) {
            end++;
        }
        return text(header, from, end - from);
    }

    private static String text(byte[] bytes, int from, int length) {
        return new String(bytes, from, length, StandardCharsets.ISO_8859_1);
    }

    private static String latin(byte[] bytes) {
        return text(bytes, 0, bytes.length);
    }
}
