package dev.thaw.agent.cache;

import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.SystemCallFailed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * Which chunks of a blob are on disk, on disk. A bit is written once its chunk is in the file, and is cleared on disk before
 * the chunk's space is given back, so that a bit that is set is true whenever the process ends. A power failure may keep a bit
 * and lose its chunk: that is then a hole, which is noticed when the blob is opened, or bytes whose digest is wrong, which is
 * noticed before they are served. Bits are overwritten in place: a torn write leaves old bits beside new ones.
 * <pre>
 *  off size field      meaning
 *    0    8 magic      "THAWCHNK"
 *    8    4 version    1
 *   12    4 chunks     number of chunks
 *   16    8 size       of the blob's uncompressed address space
 *   24   32 blob       sha256 of the blob
 *   56    4 checksum   crc32c of the 56 bytes before
 *   60    4 zero
 *   64    … bits       chunk i is bit i%8 of byte i/8; bits behind the last chunk are 0
 * </pre>
 * All numbers are little-endian.
 */
final class PresenceFile implements AutoCloseable {
    static final int HEADER_BYTES = 64;
    private static final long MAGIC = 0x4b4e484357414854L;
    private static final int VERSION = 1;
    private static final int CHECKED_BYTES = 56;

    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    /** No channel: a thread that is interrupted while it writes would close it for all. */
    private final int descriptor;

    private PresenceFile(Path file, int descriptor) {
        this.file = file;
        this.descriptor = descriptor;
    }

    /** What was found, or nothing when the file is absent, torn, or of another blob; then begin anew. */
    static Optional<long[]> read(Path file, String blob, long size, int chunks) throws IOException {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            var content = ByteBuffer.allocate(HEADER_BYTES + bitBytes(chunks)).order(ByteOrder.LITTLE_ENDIAN);
            if (channel.size() != content.capacity()) {
                return Optional.empty();
            }
            while (content.hasRemaining() && channel.read(content) >= 0) {
                // A short read goes on where it stopped.
            }
            content.flip();
            if (content.remaining() != content.capacity()
                    || !content.slice(0, HEADER_BYTES).equals(header(blob, size, chunks))) {
                return Optional.empty();
            }
            var bits = new long[(chunks + 63) >>> 6];
            content.slice(HEADER_BYTES, bits.length * Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asLongBuffer()
                    .get(bits);
            boolean strays = (chunks & 63) != 0 && (bits[bits.length - 1] >>> (chunks & 63)) != 0;
            return strays ? Optional.empty() : Optional.of(bits);
        }
    }

    /** Opens for writing; makes an empty one unless {@link #read} found a good one. */
    static PresenceFile open(Path file, String blob, long size, int chunks, boolean good) throws IOException {
        if (!good) {
            var content = ByteBuffer.allocate(HEADER_BYTES + bitBytes(chunks));
            Files.write(file, content.put(header(blob, size, chunks)).array());
        }
        return new PresenceFile(file, Libc.open(file, Libc.O_RDWR));
    }

    /** Writes all bits. */
    void write(long[] bits) throws SystemCallFailed {
        write(0, bits);
    }

    /** Writes the bits of one chunk and its neighbours; by any thread, and nobody waits for the disk. */
    void note(int chunk, long word) throws SystemCallFailed {
        write(chunk >>> 6, word);
    }

    private void write(int firstWord, long... words) throws SystemCallFailed {
        try (var arena = Arena.ofConfined()) {
            var content = arena.allocateFrom(WORD, words);
            long at = HEADER_BYTES + (long) firstWord * Long.BYTES;
            Libc.pwrite(descriptor, content, content.byteSize(), at, file.toString());
        }
    }

    void sync() throws SystemCallFailed {
        Libc.fdatasync(descriptor, file.toString());
    }

    @Override
    public void close() {
        Libc.close(descriptor);
    }

    private static ByteBuffer header(String blob, long size, int chunks) {
        var header = ByteBuffer.allocate(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(MAGIC).putInt(VERSION).putInt(chunks).putLong(size);
        header.put(HexFormat.of().parseHex(blob));
        var checksum = new CRC32C();
        checksum.update(header.array(), 0, CHECKED_BYTES);
        header.putInt((int) checksum.getValue()).putInt(0);
        return header.flip();
    }

    /** Whole words, so that bits are read and written as longs. */
    private static int bitBytes(int chunks) {
        return ((chunks + 63) >>> 6) * Long.BYTES;
    }
}
