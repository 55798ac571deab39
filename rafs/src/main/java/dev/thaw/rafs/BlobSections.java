package dev.thaw.rafs;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;

public final class BlobSections {
    /** At most so many bytes of a blob's tail are needed to read its table of contents. */
    public static final int TAIL_BYTES = 4096;

    public static final String DATA = "image.blob";
    public static final String CHUNK_TABLE = "blob.meta";
    public static final String CHUNK_TABLE_HEADER = "blob.meta.header";
    public static final String DIGESTS = "blob.digest";
    public static final String BOOTSTRAP = "image.boot";

    @SuppressWarnings("ArrayRecordComponent")
    public record Section(
            String name, Codec codec, byte[] sha256, long offset, long storedSize, long uncompressedSize) {}

    public static BlobSections fromTail(byte[] tail, long blobSizeBytes, String name) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    public List<Section> sections() {
        throw new UnsupportedOperationException();
    }

    public Optional<Section> find(String name) {
        throw new UnsupportedOperationException();
    }

    /** The section of that name; a blob that lacks it is corrupt. */
    public Section entry(String name) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }

    /** Decodes a section's stored bytes into {@code out} and verifies length and sha256. */
    public void copy(Section section, InputStream stored, OutputStream out) throws IOException, CorruptImageException {
        throw new UnsupportedOperationException();
    }
}
