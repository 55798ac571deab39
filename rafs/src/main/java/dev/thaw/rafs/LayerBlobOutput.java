package dev.thaw.rafs;

import com.github.luben.zstd.ZstdOutputStreamNoFinalizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A layer blob on its way out: sections, each with its header behind it, and the table of contents that lists them. */
final class LayerBlobOutput {
    private final DigestedOutput out;
    private final List<BlobSections.Section> sections = new ArrayList<>();

    /** Writes bytes in an image's form. */
    interface Writing {
        void to(ImageWriter writer) throws IOException;
    }

    LayerBlobOutput(OutputStream out) {
        this.out = new DigestedOutput(out);
    }

    OutputStream stream() {
        return out;
    }

    long position() {
        return out.position();
    }

    /** The digest of all so far, 64 hex characters. */
    String digest() {
        return HexFormat.of().formatHex(out.sha256());
    }

    /** Lists all that was written so far as the chunks. */
    void endData(long deviceBytes) throws IOException {
        long dataBytes = out.position();
        sections.add(new BlobSections.Section(BlobSections.DATA, Codec.NONE, out.sha256(), 0, dataBytes, deviceBytes));
        writeTarHeader(BlobSections.DATA, dataBytes);
    }

    /** Writes a section, without a header behind it. */
    void write(String name, Codec codec, byte[] stored, byte[] raw) throws IOException {
        write(name, codec, stored, ChunkHasher.sha256().digest(raw), raw.length);
    }

    void write(String name, Codec codec, byte[] stored, byte[] sha256, long rawBytes) throws IOException {
        sections.add(new BlobSections.Section(name, codec, sha256, out.position(), stored.length, rawBytes));
        out.write(stored);
    }

    void writeDigests(Writing digests) throws IOException {
        byte[] bytes = bytesOf(digests);
        write(BlobSections.DIGESTS, Codec.NONE, bytes, bytes);
        writeTarHeader(BlobSections.DIGESTS, bytes.length);
    }

    /** @param copy where the bootstrap is also left, not compressed; nowhere if null */
    void writeBootstrap(BootstrapWriter bootstrap, int zstdLevel, @Nullable Path copy) throws IOException {
        long start = out.position();
        byte[] sha256;
        try (var zstd = new ZstdOutputStreamNoFinalizer(out.unclosable(), zstdLevel);
                var file = copy == null ? OutputStream.nullOutputStream() : Files.newOutputStream(copy)) {
            var raw = new DigestedOutput(new Twofold(zstd, file));
            bootstrap.write(raw);
            sha256 = raw.sha256();
        }
        long stored = out.position() - start;
        sections.add(new BlobSections.Section(
                BlobSections.BOOTSTRAP, Codec.ZSTD, sha256, start, stored, bootstrap.sizeBytes()));
        writeTarHeader(BlobSections.BOOTSTRAP, stored);
    }

    /** The end of the blob. */
    void writeContents() throws IOException {
        byte[] toc = bytesOf(writer -> {
            for (var section : sections) {
                section.write(writer);
            }
        });
        out.write(toc);
        writeTarHeader(BlobSections.TOC, toc.length);
    }

    void writeTarHeader(String name, long size) throws IOException {
        out.write(bytesOf(new TarHeader(name, size)::write));
    }

    static byte[] bytesOf(Writing writing) throws IOException {
        var bytes = new ByteArrayOutputStream();
        var writer = new ImageWriter(bytes);
        writing.to(writer);
        writer.flush();
        return bytes.toByteArray();
    }

    /** Writes the same to two streams. */
    private static final class Twofold extends OutputStream {
        private final OutputStream first;
        private final OutputStream second;

        Twofold(OutputStream first, OutputStream second) {
            this.first = first;
            this.second = second;
        }

        @Override
        public void write(int b) throws IOException {
            first.write(b);
            second.write(b);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            first.write(bytes, offset, length);
            second.write(bytes, offset, length);
        }
    }
}
