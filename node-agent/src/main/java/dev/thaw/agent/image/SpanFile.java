package dev.thaw.agent.image;

import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.rafs.BlobInfo;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.SpanTable;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The spans of one untouched layer on disk: the decoded table, and behind it its header. It is mapped, so that the windows of
 * checkpoints, which are most of it, are in memory only while they are used.
 */
final class SpanFile {
    private SpanFile() {}

    /** Fetches the table by one request and decodes it into a new file, which is on disk when this returns. */
    static void fetch(Path file, BlobInfo layer, Reference repository, RegistryClient client)
            throws IOException, CorruptImageException {
        long length = layer.ciCompressedSize() + BlobInfo.CI_HEADER_BYTES;
        try (var stored = client.range(repository, new Digest("sha256", layer.tableId()), layer.ciOffset(), length);
                var channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 64 << 10)) {
            var table = new Prefix(stored, layer.ciCompressedSize());
            SpanTable.decode(layer, table, out);
            table.transferTo(OutputStream.nullOutputStream());
            var header = stored.readNBytes(BlobInfo.CI_HEADER_BYTES);
            if (header.length < BlobInfo.CI_HEADER_BYTES) {
                throw new EOFException("blob " + layer.tableId() + " ends in the header of its chunk table");
            }
            out.write(header);
            out.flush();
        }
    }

    /** @param chunks of the layer as the bootstrap has them, with which the table must agree */
    static SpanTable open(Path file, ChunkTable chunks) throws IOException, CorruptImageException {
        long tableBytes = chunks.blob().ciUncompressedSize();
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (channel.size() != tableBytes + BlobInfo.CI_HEADER_BYTES) {
                throw new CorruptImageException(
                        file.toString(),
                        -1,
                        channel.size() + " bytes are not a table of " + tableBytes + " and its header");
            }
            var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
            return SpanTable.of(
                    chunks,
                    mapped.asSlice(0, tableBytes),
                    mapped.asSlice(tableBytes).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    /** The first bytes of a stream, which it does not close. */
    private static final class Prefix extends FilterInputStream {
        private long left;

        Prefix(InputStream in, long length) {
            super(in);
            left = length;
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            int n = left == 0 ? -1 : in.read(into, from, (int) Math.min(length, left));
            left -= Math.max(n, 0);
            return n;
        }

        @Override
        public void close() {}
    }
}
