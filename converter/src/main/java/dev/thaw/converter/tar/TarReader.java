package dev.thaw.converter.tar;

import dev.thaw.converter.tar.TarEntry.Type;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Reads an archive from a stream, one entry after the other, and keeps nothing but the current header.
 *
 * <pre>
 *  off size field      meaning
 *    0  100 name
 *  100    8 mode       octal
 *  108    8 uid        octal or base 256, as are all numbers
 *  116    8 gid
 *  124   12 size
 *  136   12 mtime
 *  148    8 checksum   sum of all bytes, this field taken as blanks
 *  156    1 type       0 file, 1 hard link, 2 symlink, 3 char, 4 block, 5 directory, 6 fifo, x and g PAX, L and K GNU, S sparse
 *  157  100 linkname
 *  257    8 magic      "ustar\0" "00", or "ustar  \0" (GNU), or nothing (v7)
 *  329    8 devmajor
 *  337    8 devminor
 *  345  155 prefix     ustar: goes before the name; star: 131 bytes; GNU: not a prefix, holds the sparse map from 386
 * </pre>
 *
 * <p>Global PAX headers are skipped: their values do not touch the entries behind them, as in containerd.
 */
public final class TarReader {
    private static final int BLOCK = 512;
    /** Go's limit for extended headers and long names. */
    private static final int MAX_SPECIAL_BYTES = 1 << 20;
    /** Larger files cannot be addressed by any target format; also keeps sums of sizes from overflowing. */
    private static final long MAX_FILE_BYTES = 1L << 50;

    private static final int CHECKSUM_AT = 148;
    private static final int TYPE_AT = 156;
    private static final int OLD_SPARSE_AT = 386;
    private static final int OLD_SPARSE_ENTRIES = 4;
    private static final int OLD_SPARSE_EXTENDED_AT = 482;
    private static final int OLD_SPARSE_SIZE_AT = 483;
    private static final int EXTENSION_ENTRIES = 21;
    private static final int EXTENSION_MORE_AT = 504;

    private enum Format {
        V7,
        USTAR,
        STAR,
        GNU
    }

    private final InputStream in;
    private final byte[] block = new byte[BLOCK];
    private long offset;
    /** Bytes of the current entry's stored content and padding that are still in the stream. */
    private long remaining;

    private long padding;
    private boolean atEnd;
    private Content content = new Content(0, new SparseMap());
    private long contentOffset;

    /** @param in the uncompressed archive; reads are large, or small and many, so give a buffered one */
    public TarReader(InputStream in) {
        this.in = in;
    }

    /** Position in the archive up to which it was read. */
    public long offset() {
        return offset;
    }

    /** The content of the entry that {@link #next} returned last; of no use after the following {@code next}. */
    public InputStream content() {
        return content;
    }

    /** Where in the archive that content begins; -1 if it does not lie there in one piece, being that of a sparse file. */
    public long contentOffset() {
        return contentOffset;
    }

    /**
     * Goes to the next entry, skipping what is left of the current one.
     *
     * @return null at the archive's end: two blocks of zeros, or the stream's end between two entries
     * @throws CorruptTarException if the archive is broken, or the stream ends inside an entry
     */
    public @Nullable TarEntry next() throws IOException {
        PaxRecords pax = PaxRecords.parse(new byte[0], 0);
        @Nullable String longName = null;
        @Nullable String longLink = null;
        while (!atEnd) {
            skipRest();
            var start = offset;
            if (atEnd || !readHeaderBlock()) {
                atEnd = true;
                break;
            }
            var type = (char) (block[TYPE_AT] & 0xff);
            switch (type) {
                case 'x', 'X' -> pax = PaxRecords.parse(special(start), start + BLOCK);
                case 'g' -> special(start);
                case 'L' -> longName = untilNul(special(start));
                case 'K' -> longLink = untilNul(special(start));
                default -> {
                    return entry(type, pax, longName, longLink, start);
                }
            }
        }
        return null;
    }

    private TarEntry entry(
            char typeFlag, PaxRecords pax, @Nullable String longName, @Nullable String longLink, long start)
            throws IOException {
        var format = format();
        var name = firstOf(longName, pax.text("GNU.sparse.name"), pax.text("path"), headerName(format));
        var linkName = firstOf(longLink, pax.text("linkpath"), headerText(157, 100));
        var type = type(typeFlag, name, start);
        var storedSize = pax.number("size", number(124, 12, start, "size"), start);
        if (storedSize < 0 || storedSize > MAX_FILE_BYTES) {
            throw new CorruptTarException(start, "an entry has a size of " + storedSize + " bytes");
        }
        var mtimeText = pax.text("mtime");
        var mtime =
                mtimeText == null ? new PaxTime(number(136, 12, start, "mtime"), 0) : PaxTime.parse(mtimeText, start);
        var isDevice = format != Format.V7 && (type == Type.CHARACTER_DEVICE || type == Type.BLOCK_DEVICE);
        var mode = (int) (number(100, 8, start, "mode") & 07777);
        var uid = pax.number("uid", number(108, 8, start, "uid"), start);
        var gid = pax.number("gid", number(116, 8, start, "gid"), start);
        var devMajor = isDevice ? number(329, 8, start, "devmajor") : 0;
        var devMinor = isDevice ? number(337, 8, start, "devminor") : 0;
        openContent(typeFlag, type, pax, storedSize, start); // last: sparse maps overwrite the header block
        return new TarEntry(
                name,
                type,
                mode,
                uid,
                gid,
                content.sizeBytes,
                mtime.seconds(),
                mtime.nanos(),
                type == Type.HARD_LINK || type == Type.SYMLINK ? linkName : "",
                devMajor,
                devMinor,
                pax.xattrs());
    }

    private static Type type(char flag, String name, long start) throws CorruptTarException {
        return switch (flag) {
            // v7 has no type for directories: their names end in a slash.
            case 0, '0' -> flag == 0 && name.endsWith("/") ? Type.DIRECTORY : Type.FILE;
            case 'S' -> Type.FILE;
            case '1' -> Type.HARD_LINK;
            case '2' -> Type.SYMLINK;
            case '3' -> Type.CHARACTER_DEVICE;
            case '4' -> Type.BLOCK_DEVICE;
            case '5' -> Type.DIRECTORY;
            case '6' -> Type.FIFO;
            default ->
                throw new CorruptTarException(
                        start,
                        "entry " + ByteNames.text(name) + " has the type '" + ByteNames.text(String.valueOf(flag))
                                + "', which a layer may not hold");
        };
    }

    private void openContent(char typeFlag, Type type, PaxRecords pax, long storedSize, long start) throws IOException {
        if (type != Type.FILE) { // a size is ignored there: no content follows whatever it says
            remaining = 0;
            padding = 0;
            content = new Content(0, new SparseMap());
            contentOffset = offset;
            return;
        }
        contentOffset = -1;
        remaining = storedSize;
        padding = -storedSize & (BLOCK - 1);
        var sparse = new SparseMap();
        var size = storedSize;
        var major = pax.text("GNU.sparse.major");
        if (typeFlag == 'S') {
            size = number(OLD_SPARSE_SIZE_AT, 12, start, "realsize");
            readOldSparseMap(sparse, start);
        } else if (Objects.equals(major, "1")) {
            size = pax.number("GNU.sparse.realsize", storedSize, start);
            readSparseMapInData(sparse, start);
        } else if (pax.text("GNU.sparse.map") != null || !pax.sparsePairs().isEmpty()) {
            size = pax.number("GNU.sparse.size", storedSize, start);
            readSparseMapInRecords(pax, sparse, start);
        } else {
            if (storedSize > 0) {
                sparse.add(0, storedSize, start);
            }
            content = new Content(storedSize, sparse);
            contentOffset = offset;
            return;
        }
        if (size < 0 || size > MAX_FILE_BYTES) {
            throw new CorruptTarException(start, "a sparse file has a size of " + size + " bytes");
        }
        sparse.check(remaining, size, start);
        content = new Content(size, sparse);
    }

    private void readOldSparseMap(SparseMap map, long start) throws IOException {
        readSparseEntries(map, OLD_SPARSE_AT, OLD_SPARSE_ENTRIES, start);
        var more = block[OLD_SPARSE_EXTENDED_AT] != 0;
        while (more) {
            readBlock("a sparse file's map");
            readSparseEntries(map, 0, EXTENSION_ENTRIES, start);
            more = block[EXTENSION_MORE_AT] != 0;
        }
    }

    private void readSparseEntries(SparseMap map, int at, int entries, long start) throws CorruptTarException {
        for (var i = 0; i < entries; i++) {
            var from = at + 24 * i;
            if (block[from] == 0) {
                return;
            }
            map.add(number(from, 12, start, "sparse offset"), number(from + 12, 12, start, "sparse size"), start);
        }
    }

    /** Format 1.0: the map stands before the content, as decimal lines, padded to a block. */
    private void readSparseMapInData(SparseMap map, long start) throws IOException {
        var line = new SparseLines(start);
        var parts = line.next();
        for (long i = 0; i < parts; i++) {
            var position = line.next();
            map.add(position, line.next(), start);
        }
    }

    private final class SparseLines {
        private final long start;
        private int at = BLOCK;

        SparseLines(long start) {
            this.start = start;
        }

        long next() throws IOException {
            var digits = new StringBuilder();
            while (true) {
                if (at == BLOCK) {
                    if (remaining < BLOCK) {
                        throw new CorruptTarException(start, "a sparse file's map is cut short");
                    }
                    readBlock("a sparse file's map");
                    remaining -= BLOCK;
                    at = 0;
                }
                var c = (char) (block[at++] & 0xff);
                if (c == '\n') {
                    return PaxRecords.decimal(digits.toString(), "sparse map", start);
                }
                digits.append(c);
                if (digits.length() > 20) {
                    throw new CorruptTarException(start, "a sparse file's map holds a number that is too long");
                }
            }
        }
    }

    private static void readSparseMapInRecords(PaxRecords pax, SparseMap map, long start) throws CorruptTarException {
        var text = pax.text("GNU.sparse.map");
        var numbers = text == null ? pax.sparsePairs() : Arrays.asList(text.split(",", -1));
        if (numbers.size() % 2 != 0) {
            throw new CorruptTarException(start, "a sparse file's map has an odd number of values");
        }
        for (var i = 0; i < numbers.size(); i += 2) {
            map.add(
                    PaxRecords.decimal(numbers.get(i), "GNU.sparse.map", start),
                    PaxRecords.decimal(numbers.get(i + 1), "GNU.sparse.map", start),
                    start);
        }
    }

    private Format format() {
        var magic = ByteNames.of(block, 257, 8);
        if (magic.startsWith("ustar\0" + "00")) {
            return ByteNames.of(block, 508, 4).equals("tar\0") ? Format.STAR : Format.USTAR;
        }
        return magic.equals("ustar  \0") ? Format.GNU : Format.V7;
    }

    private String headerName(Format format) {
        var name = headerText(0, 100);
        var prefix = switch (format) {
            case USTAR -> headerText(345, 155);
            case STAR -> headerText(345, 131);
            case V7, GNU -> "";
        };
        return prefix.isEmpty() ? name : prefix + "/" + name;
    }

    private String headerText(int from, int length) {
        var end = from;
        while (end < from + length && block[end] != 0) {
            end++;
        }
        return ByteNames.of(block, from, end - from);
    }

    private static String untilNul(byte[] data) {
        var end = 0;
        while (end < data.length && data[end] != 0) {
            end++;
        }
        return ByteNames.of(data, 0, end);
    }

    private static String firstOf(@Nullable String... candidates) {
        for (var candidate : candidates) {
            if (candidate != null) {
                return candidate;
            }
        }
        return "";
    }

    private long number(int from, int length, long start, String field) throws CorruptTarException {
        return TarNumbers.parse(block, from, length, start, field);
    }

    /** The data of an extended header or long name, which stands where a file's content would. */
    private byte[] special(long start) throws IOException {
        var size = number(124, 12, start, "size");
        if (size < 0 || size > MAX_SPECIAL_BYTES) {
            throw new CorruptTarException(start, "an extended header has " + size + " bytes");
        }
        var data = in.readNBytes((int) size);
        offset += data.length;
        if (data.length < size) {
            throw new CorruptTarException(offset, "the archive ends inside an extended header");
        }
        remaining = 0;
        padding = -size & (BLOCK - 1);
        return data;
    }

    /** Reads a header; false at the archive's end. */
    private boolean readHeaderBlock() throws IOException {
        var start = offset;
        var read = in.readNBytes(block, 0, BLOCK);
        offset += read;
        if (read == 0) {
            return false;
        }
        if (read < BLOCK) {
            throw new CorruptTarException(offset, "the archive ends inside a header");
        }
        if (isZero()) {
            read = in.readNBytes(block, 0, BLOCK);
            offset += read;
            if (read == 0 || read == BLOCK && isZero()) {
                return false;
            }
            throw new CorruptTarException(start, "one block of zeros stands between entries");
        }
        var unsigned = 0L;
        var signed = 0L;
        for (var i = 0; i < BLOCK; i++) {
            var b = i >= CHECKSUM_AT && i < CHECKSUM_AT + 8 ? ' ' : block[i];
            unsigned += b & 0xff;
            signed += b;
        }
        var expected = number(CHECKSUM_AT, 8, start, "checksum");
        if (expected != unsigned && expected != signed) {
            throw new CorruptTarException(start, "a header's checksum is wrong");
        }
        return true;
    }

    private void readBlock(String what) throws IOException {
        var read = in.readNBytes(block, 0, BLOCK);
        offset += read;
        if (read < BLOCK) {
            throw new CorruptTarException(offset, "the archive ends inside " + what);
        }
    }

    private boolean isZero() {
        for (var b : block) {
            if (b != 0) {
                return false;
            }
        }
        return true;
    }

    /** Also as Go's reader: an archive may end right behind the last entry's content, without its padding. */
    private void skipRest() throws IOException {
        try {
            in.skipNBytes(remaining);
        } catch (EOFException e) {
            throw new CorruptTarException(offset, "the archive ends inside an entry's content");
        }
        offset += remaining;
        remaining = 0;
        var read = in.readNBytes(block, 0, (int) padding);
        offset += read;
        if (read == 0 && padding > 0) {
            atEnd = true;
        } else if (read < padding) {
            throw new CorruptTarException(offset, "the archive ends inside an entry's padding");
        }
        padding = 0;
    }

    /** A file's content with its holes filled by zeros. */
    private final class Content extends InputStream {
        private final long sizeBytes;
        private final SparseMap map;
        private long position;
        private int part;

        Content(long sizeBytes, SparseMap map) {
            this.sizeBytes = sizeBytes;
            this.map = map;
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] out, int from, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            if (position >= sizeBytes || this != content) {
                return -1;
            }
            while (part < map.count() && position >= map.position(part) + map.length(part)) {
                part++;
            }
            var partStart = part < map.count() ? map.position(part) : sizeBytes;
            int count;
            if (position < partStart) {
                count = (int) Math.min(length, partStart - position);
                Arrays.fill(out, from, from + count, (byte) 0);
            } else {
                var wanted = (int) Math.min(length, partStart + map.length(part) - position);
                count = in.read(out, from, wanted);
                if (count < 0) {
                    throw new CorruptTarException(offset, "the archive ends inside an entry's content");
                }
                offset += count;
                remaining -= count;
            }
            position += count;
            return count;
        }
    }
}
