package dev.thaw.rafs;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The chunks of the layer blob that is being written, in the order of their numbers, and an index of them by digest and length.
 * About 70 bytes per chunk. {@link #find} may be called by any thread while one
 * thread, which alone calls everything else, adds.
 */
final class LayerChunks {
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final int DIGEST_BYTES = ChunkRecords.DIGEST_BYTES;

    private int count;
    private byte[] digests = new byte[64 * DIGEST_BYTES];
    private long[] uncompressed = new long[64];
    private long[] compressed = new long[64];
    /** Position of the chunk in the first file that had it, counted in chunks. */
    private int[] ordinals = new int[64];
    /** Chunk number plus one by hash, open addressing; at most half full. */
    private int[] index = new int[256];

    private long deviceBytes;
    private long dataBytes;
    private final ReentrantLock lock = new ReentrantLock();

    int count() {
        return count;
    }

    /** Length of the device that the chunks make, a multiple of 4096. */
    long deviceBytes() {
        return deviceBytes;
    }

    /** Stored bytes of all chunks. */
    long dataBytes() {
        return dataBytes;
    }

    /** Number of the chunk with this digest and length, or -1. */
    int find(byte[] digest, int length) {
        lock.lock();
        try {
            return search(digest, length);
        } finally {
            lock.unlock();
        }
    }

    private int search(byte[] digest, int length) {
        for (int slot = slot(digest, 0); ; slot = (slot + 1) & (index.length - 1)) {
            int chunk = index[slot] - 1;
            if (chunk < 0) {
                return -1;
            }
            if (CiEntry.uncompressedSize(uncompressed[chunk]) == length
                    && Arrays.equals(
                            digests, chunk * DIGEST_BYTES, (chunk + 1) * DIGEST_BYTES, digest, 0, DIGEST_BYTES)) {
                return chunk;
            }
        }
    }

    /** Adds a chunk that is stored behind all others and returns its number. */
    int add(byte[] digest, int length, int stored, int ordinal) throws IOException {
        int chunk = add(digest, length, dataBytes, stored, ordinal);
        dataBytes += stored;
        return chunk;
    }

    /** Adds a chunk that lies somewhere in an untouched layer. */
    int add(byte[] digest, int length, long storedOffset, int stored, int ordinal) throws IOException {
        if (count == BlobTable.MAX_CHUNKS) {
            throw new IOException(
                    "layer has more than " + BlobTable.MAX_CHUNKS + " different chunks; use larger chunks");
        }
        if (storedOffset + stored >= BlobTable.MAX_COMPRESSED_BYTES
                || deviceBytes + length >= BlobTable.MAX_UNCOMPRESSED_BYTES - SuperBlock.BLOCK_BYTES) {
            throw new IOException(
                    "layer is too large for one blob: at most 2^40 bytes compressed and 2^44 uncompressed");
        }
        lock.lock();
        try {
            return append(digest, length, storedOffset, stored, ordinal);
        } finally {
            lock.unlock();
        }
    }

    private int append(byte[] digest, int length, long storedOffset, int stored, int ordinal) {
        grow();
        int chunk = count++;
        System.arraycopy(digest, 0, digests, chunk * DIGEST_BYTES, DIGEST_BYTES);
        uncompressed[chunk] = CiEntry.uncompressedWord(deviceBytes, length);
        compressed[chunk] = CiEntry.compressedWord(storedOffset, stored);
        ordinals[chunk] = ordinal;
        enter(chunk);
        deviceBytes = Image.roundUp(deviceBytes + length, SuperBlock.BLOCK_BYTES);
        return chunk;
    }

    /** Where a chunk starts on the device, in blocks. */
    long block(int chunk) {
        return CiEntry.uncompressedOffset(uncompressed[chunk]) >>> SuperBlock.BLOCK_BITS;
    }

    /** The chunk table as blobs hold it, version 1. */
    void writeTable(ImageWriter out) throws IOException {
        for (int i = 0; i < count; i++) {
            out.u64(uncompressed[i]).u64(compressed[i]);
        }
    }

    /** The entries of version 2, for which a third word says where in its span a chunk is; without spans it is 0. */
    void writeTable(ImageWriter out, long @Nullable [] places) throws IOException {
        int flags = places == null ? 0 : CiEntry.V2_COMPRESSED | CiEntry.V2_ZRAN;
        for (int i = 0; i < count; i++) {
            out.u64(CiEntry.v2UncompressedWord(
                            CiEntry.uncompressedOffset(uncompressed[i]),
                            CiEntry.uncompressedSize(uncompressed[i]),
                            flags))
                    .u64(CiEntry.v2CompressedWord(
                            CiEntry.compressedOffset(compressed[i]), CiEntry.compressedSize(compressed[i])))
                    .u64(places == null ? 0 : places[i]);
        }
    }

    /** All digests in the order of the chunks. */
    void writeDigests(ImageWriter out) throws IOException {
        for (int i = 0; i < count; i++) {
            out.bytes(digests, i * DIGEST_BYTES, DIGEST_BYTES);
        }
    }

    /** The bootstrap's chunk table: one record per chunk, stored here or shared, sorted by digest. */
    void writeRecords(SharedChunks shared, ImageWriter out, int chunkSizeBytes) throws IOException {
        int[] foreign = sorted(shared);
        int firstShared = count > 0 ? 1 : 0;
        int next = 0;
        for (int chunk : sorted()) {
            while (next < foreign.length && compare(shared.digest(foreign[next]), chunk) < 0) {
                writeShared(shared, foreign[next++], firstShared, out, chunkSizeBytes);
            }
            writeRecord(chunk, out, chunkSizeBytes);
        }
        while (next < foreign.length) {
            writeShared(shared, foreign[next++], firstShared, out, chunkSizeBytes);
        }
    }

    private static void writeShared(
            SharedChunks shared, int number, int firstShared, ImageWriter out, int chunkSizeBytes) throws IOException {
        shared.writeRecord(number, firstShared + shared.blob(number), chunkSizeBytes, out);
    }

    private void writeRecord(int chunk, ImageWriter out, int chunkSizeBytes) throws IOException {
        int length = CiEntry.uncompressedSize(uncompressed[chunk]);
        int stored = CiEntry.compressedSize(compressed[chunk]);
        out.bytes(digests, chunk * DIGEST_BYTES, DIGEST_BYTES)
                .u32(0)
                .u32(stored == length ? 0 : ChunkRecords.FLAG_COMPRESSED)
                .u32(stored)
                .u32(length)
                .u64(CiEntry.compressedOffset(compressed[chunk]))
                .u64(CiEntry.uncompressedOffset(uncompressed[chunk]))
                .u64((long) ordinals[chunk] * chunkSizeBytes)
                .u32(chunk)
                .u32(0);
    }

    private int compare(byte[] digest, int chunk) {
        return Arrays.compareUnsigned(
                digest, 0, DIGEST_BYTES, digests, chunk * DIGEST_BYTES, (chunk + 1) * DIGEST_BYTES);
    }

    private static int[] sorted(SharedChunks shared) {
        int[] order = new int[shared.count()];
        for (int i = 0; i < order.length; i++) {
            order[i] = i;
        }
        Ordinals.sort(order, (a, b) -> Arrays.compareUnsigned(shared.digest(a), shared.digest(b)));
        return order;
    }

    private int[] sorted() {
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = i;
        }
        Ordinals.sort(
                order,
                (a, b) -> Arrays.compareUnsigned(
                        digests,
                        a * DIGEST_BYTES,
                        (a + 1) * DIGEST_BYTES,
                        digests,
                        b * DIGEST_BYTES,
                        (b + 1) * DIGEST_BYTES));
        return order;
    }

    private void grow() {
        if (count == ordinals.length) {
            int capacity = Math.min(BlobTable.MAX_CHUNKS, count * 2);
            digests = Arrays.copyOf(digests, capacity * DIGEST_BYTES);
            uncompressed = Arrays.copyOf(uncompressed, capacity);
            compressed = Arrays.copyOf(compressed, capacity);
            ordinals = Arrays.copyOf(ordinals, capacity);
        }
        if ((count + 1) * 2 > index.length) {
            index = new int[index.length * 2];
            for (int chunk = 0; chunk < count; chunk++) {
                enter(chunk);
            }
        }
    }

    private void enter(int chunk) {
        int slot = slot(digests, chunk * DIGEST_BYTES);
        while (index[slot] != 0) {
            slot = (slot + 1) & (index.length - 1);
        }
        index[slot] = chunk + 1;
    }

    /** Digests are uniform, so any of their bytes make a hash. */
    private int slot(byte[] bytes, int offset) {
        int hash = (int) INT.get(bytes, offset);
        return hash & (index.length - 1);
    }
}
