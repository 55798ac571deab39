package dev.thaw.rafs;

import com.github.luben.zstd.ZstdIOException;
import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Where the parts of a layer blob lie, as the table of contents (ToC) at its end says.
 *
 * <pre>
 *  chunks | header | chunk table | its header | header | digests | header | bootstrap | header | ToC | header
 * </pre>
 *
 * One entry of the ToC:
 *
 * <pre>
 *  off size field
 *    0    4 codec           1 none, 2 zstd, 4 lz4
 *    4    4 reserved
 *    8   16 name            NUL padded
 *   24   32 sha256          of the uncompressed content
 *   56    8 offset          in the blob
 *   64    8 storedSize
 *   72    8 uncompressedSize
 *   80   48 reserved        builders up to nydus 2.2 left garbage here
 * </pre>
 */
public final class BlobSections {
    /** At most so many bytes of a blob's tail are needed to read its table of contents. */
    public static final int TAIL_BYTES = 4096;

    /** The compressed chunks. */
    public static final String DATA = "image.blob";
    /** The chunk table, without its header. */
    public static final String CHUNK_TABLE = "blob.meta";
    /** The chunk table's header. */
    public static final String CHUNK_TABLE_HEADER = "blob.meta.header";
    /** 32 bytes per chunk. */
    public static final String DIGESTS = "blob.digest";
    /** The layer's own bootstrap. */
    public static final String BOOTSTRAP = "image.boot";

    static final String TOC = "rafs.blob.toc";
    static final int ENTRY_BYTES = 128;

    private static final int NAME_BYTES = 16;
    private static final int SHA256_BYTES = 32;

    /**
     * One part of a blob.
     *
     * @param sha256 of the uncompressed content, 32 bytes; for {@link #DATA} of the stored bytes, to which nydus 2.2 adds the
     *     tar header behind them
     * @param uncompressedSize for {@link #DATA} the length of the blob's device
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    public record Section(
            String name, Codec codec, byte[] sha256, long offset, long storedSize, long uncompressedSize) {

        void write(ImageWriter out) throws IOException {
            long start = out.position();
            out.u32(codec.tocFlag())
                    .u32(0)
                    .bytes(name.getBytes(StandardCharsets.US_ASCII))
                    .zeroTo(start + 8 + NAME_BYTES)
                    .bytes(sha256)
                    .u64(offset)
                    .u64(storedSize)
                    .u64(uncompressedSize)
                    .zeroTo(start + ENTRY_BYTES);
        }
    }

    private final String name;
    private final List<Section> sections;

    private BlobSections(String name, List<Section> sections) {
        this.name = name;
        this.sections = List.copyOf(sections);
    }

    /**
     * Reads the table of contents.
     *
     * @param tail the last {@code min(TAIL_BYTES, blobSizeBytes)} bytes of the blob, or more
     * @param name of the blob in error messages
     */
    public static BlobSections fromTail(byte[] tail, long blobSizeBytes, String name) throws CorruptImageException {
        var in = new Image(MemorySegment.ofArray(tail), name + " (last " + tail.length + " bytes)");
        if (tail.length > blobSizeBytes) {
            throw in.corrupt(-1, "tail is longer than the blob of " + blobSizeBytes + " bytes");
        }
        var header = TarHeader.read(in, in.size() - TarHeader.BYTES);
        if (header.name().equals(BOOTSTRAP)) {
            throw in.corrupt(-1, "blob has no table of contents: made by a nydus before 2.2; convert the image again");
        }
        if (!header.name().equals(TOC)) {
            throw in.corrupt(-1, "blob does not end with a table of contents but with " + printable(header.name()));
        }
        long start = in.size() - TarHeader.BYTES - header.size();
        if (header.size() == 0 || header.size() % ENTRY_BYTES != 0) {
            throw in.corrupt(-1, "table of contents of " + header.size() + " bytes");
        }
        in.require(start, header.size(), "table of contents");
        long sectionsEnd = blobSizeBytes - TarHeader.BYTES - header.size();
        var sections = new ArrayList<Section>();
        for (long at = start; at < start + header.size(); at += ENTRY_BYTES) {
            var section = read(in, at);
            if (sections.stream().anyMatch(s -> s.name().equals(section.name()))) {
                throw in.corrupt(at, "section " + section.name() + " is listed twice");
            }
            sections.add(section);
        }
        sections.removeIf(section -> isOfLayer(section, sections));
        for (var section : sections) {
            if (section.storedSize() > sectionsEnd || section.offset() > sectionsEnd - section.storedSize()) {
                throw in.corrupt(-1, "section " + section.name() + " reaches beyond the blob");
            }
        }
        return new BlobSections(name, sections);
    }

    /**
     * Of a blob that only describes a layer nydus-image lists the layer as the data, though nothing but the header that would follow
     * it is here.
     */
    private static boolean isOfLayer(Section section, List<Section> sections) {
        return section.name().equals(DATA)
                && section.storedSize() > 0
                && sections.stream()
                        .anyMatch(other -> other.name().equals(CHUNK_TABLE) && other.offset() == TarHeader.BYTES);
    }

    private static Section read(Image in, long at) throws CorruptImageException {
        String name = in.ascii(at + 8, NAME_BYTES);
        if (!List.of(DATA, CHUNK_TABLE, CHUNK_TABLE_HEADER, DIGESTS, BOOTSTRAP).contains(name)) {
            throw in.corrupt(at + 8, "unknown section " + printable(name));
        }
        int flag = in.i32(at);
        Codec codec = null;
        for (var candidate : List.of(Codec.NONE, Codec.ZSTD, Codec.LZ4_BLOCK)) {
            if (candidate.tocFlag() == flag) {
                codec = candidate;
            }
        }
        if (codec == null) {
            throw in.corrupt(at, "section " + name + " has unknown codec flags 0x%x".formatted(flag));
        }
        // Builders up to nydus 2.2 wrote a wrong offset for the data, which always comes first.
        long offset = name.equals(DATA) ? 0 : in.u63(at + 56, "offset");
        long stored = in.u63(at + 64, "stored size");
        long size = in.u63(at + 72, "size");
        if (codec == Codec.NONE && stored != size && !name.equals(DATA)) {
            throw in.corrupt(at + 72, "section " + name + " is not compressed but has two sizes");
        }
        return new Section(name, codec, in.copy(at + 24, SHA256_BYTES), offset, stored, size);
    }

    /** All sections in stored order. */
    public List<Section> sections() {
        return sections;
    }

    public Optional<Section> find(String section) {
        return sections.stream().filter(s -> s.name().equals(section)).findFirst();
    }

    /** The section of that name; a blob that lacks it is corrupt. */
    public Section entry(String section) throws CorruptImageException {
        return find(section).orElseThrow(() -> new CorruptImageException(name, -1, "blob has no section " + section));
    }

    /**
     * Decodes a section into {@code out} and verifies its length and sha256. What was written before a failure must be thrown
     * away.
     *
     * @param stored the section's stored bytes; read to {@link Section#storedSize}, not closed
     */
    public void copy(Section section, InputStream stored, OutputStream out) throws IOException, CorruptImageException {
        var bounded = new Prefix(stored, section.storedSize());
        var sha256 = ChunkHasher.sha256();
        long size = switch (section.codec()) {
            case NONE -> pump(section, bounded, out, sha256);
            case ZSTD -> {
                try (var decoded = new ZstdInputStreamNoFinalizer(bounded)) {
                    yield pump(section, decoded, out, sha256);
                } catch (ZstdIOException e) {
                    throw corrupt(section, "zstd: " + e.getMessage());
                }
            }
            case LZ4_BLOCK, GZIP -> throw corrupt(section, "is stored with " + section.codec() + ", which is not read");
        };
        if (bounded.left() > 0) {
            throw corrupt(section, "ends " + bounded.left() + " bytes early");
        }
        if (size != section.uncompressedSize() && !section.name().equals(DATA)) {
            throw corrupt(section, "has " + size + " bytes, expected " + section.uncompressedSize());
        }
        if (!matches(section, sha256)) {
            throw corrupt(section, "has a wrong sha256");
        }
    }

    private static boolean matches(Section section, MessageDigest sha256) throws IOException {
        if (section.name().equals(DATA)) {
            // nydus 2.2 digests the tar header behind the chunks with them.
            var withHeader = new DigestedOutput(OutputStream.nullOutputStream(), sha256);
            var writer = new ImageWriter(withHeader);
            new TarHeader(DATA, section.storedSize()).write(writer);
            writer.flush();
            if (MessageDigest.isEqual(withHeader.sha256(), section.sha256())) {
                return true;
            }
        }
        return MessageDigest.isEqual(sha256.digest(), section.sha256());
    }

    /** {@link #copy} for a section that is in memory. */
    public byte[] decode(Section section, byte[] stored) throws CorruptImageException {
        var out = new ByteArrayOutputStream();
        try {
            copy(section, new ByteArrayInputStream(stored), out);
        } catch (IOException e) {
            throw corrupt(section, String.valueOf(e.getMessage()));
        }
        return out.toByteArray();
    }

    private long pump(Section section, InputStream in, OutputStream out, MessageDigest sha256)
            throws IOException, CorruptImageException {
        byte[] buffer = new byte[1 << 16];
        long limit = section.name().equals(DATA) ? section.storedSize() : section.uncompressedSize();
        long size = 0;
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            size += n;
            if (size > limit) {
                throw corrupt(section, "is longer than " + limit + " bytes");
            }
            sha256.update(buffer, 0, n);
            out.write(buffer, 0, n);
        }
        return size;
    }

    private CorruptImageException corrupt(Section section, String reason) {
        return new CorruptImageException(name, section.offset(), "section " + section.name() + " " + reason);
    }

    private static String printable(String text) {
        return '"' + text.replaceAll("[^ -~]", "?") + '"';
    }

    /** The first bytes of a stream, which it does not close. */
    private static final class Prefix extends InputStream {
        private final InputStream in;
        private long left;

        Prefix(InputStream in, long length) {
            this.in = in;
            this.left = length;
        }

        long left() {
            return left;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            if (left == 0) {
                return -1;
            }
            int n = in.read(buffer, offset, (int) Math.min(length, left));
            if (n > 0) {
                left -= n;
            }
            return n;
        }
    }
}
