package dev.thaw.rafs;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Factory;
import org.jspecify.annotations.Nullable;

/**
 * Takes chunks through reading, digesting and compressing: one of full length or many small ones at a time, for handing work to
 * another thread costs as much as compressing a few KiB. Filling and storing are the writer's; in between the chunks may be pressed
 * on another thread. Holds two buffers of about the chunk size, and about 4 MiB of native memory with zstd.
 */
final class ChunkPress implements AutoCloseable {
    /** Small chunks at a time, at most. */
    static final int SLOTS = 256;
    /** By how much a compressed chunk may be longer than it was, beside what depends on its length. */
    private static final int SLOT_SLACK_BYTES = 64;

    private final LayerOptions options;
    private final LayerChunks known;
    private final ChunkDictionary dictionary;
    private final ChunkHasher hasher;
    private final byte[] raw;
    private final byte[] packed;
    private final @Nullable ZstdCompressCtx zstd;
    private final @Nullable LZ4Compressor lz4;

    /** Made as they are needed, and used again. */
    private final List<Slot> slots = new ArrayList<>();

    private int filled;
    private int rawBytes;
    private CompletableFuture<Void> pressing = CompletableFuture.completedFuture(null);

    /** One chunk in the buffers. */
    private static final class Slot {
        final byte[] digest = new byte[ChunkRecords.DIGEST_BYTES];

        @Nullable LayerFile file;

        int ordinal;
        int from;
        int length;
        int packedFrom;
        /** The same as {@link #length} if it is stored as it is, or not at all. */
        int packedLength;
    }

    ChunkPress(LayerOptions options, LayerChunks known, ChunkDictionary dictionary) {
        this.options = options;
        this.known = known;
        this.dictionary = dictionary;
        this.hasher = new ChunkHasher(options.digest());
        this.raw = new byte[options.chunkSizeBytes()];
        // The native compressor, not the fastest to be found: another implementation may make other bytes.
        this.lz4 =
                options.codec() == Codec.LZ4_BLOCK ? LZ4Factory.nativeInstance().fastCompressor() : null;
        this.zstd = options.codec() == Codec.ZSTD ? new ZstdCompressCtx().setLevel(options.zstdLevel()) : null;
        this.packed = new byte[bound()];
    }

    /** What compressors may ask for, whatever the chunks are: none sees an end of the buffer, so the bytes do not depend on it. */
    private int bound() {
        return switch (options.codec()) {
            case ZSTD -> Math.toIntExact(Zstd.compressBound(options.chunkSizeBytes())) + SLOTS * SLOT_SLACK_BYTES;
            case LZ4_BLOCK ->
                lz4 == null ? 0 : lz4.maxCompressedLength(options.chunkSizeBytes()) + SLOTS * SLOT_SLACK_BYTES;
            case NONE, GZIP -> 0;
        };
    }

    /** Whether a chunk of this length can be added to what is there. */
    boolean hasRoom(int length) {
        return filled < SLOTS && length <= raw.length - rawBytes;
    }

    /** Reads the file's chunk number {@code ordinal}. */
    void fill(LayerFile file, int ordinal, int length, InputStream in) throws IOException {
        int n = in.readNBytes(raw, rawBytes, length);
        if (n < length) {
            throw new EOFException("content ended " + (length - n) + " bytes early or more");
        }
        if (filled == slots.size()) {
            slots.add(new Slot());
        }
        var slot = slots.get(filled++);
        slot.file = file;
        slot.ordinal = ordinal;
        slot.from = rawBytes;
        slot.length = length;
        rawBytes += length;
    }

    void press(Executor executor) {
        pressing = CompletableFuture.runAsync(this::press, executor);
    }

    private void press() {
        int packedBytes = 0;
        for (int i = 0; i < filled; i++) {
            var slot = slots.get(i);
            hasher.digest(MemorySegment.ofArray(raw).asSlice(slot.from, slot.length), slot.digest);
            slot.packedFrom = packedBytes;
            // Chunks are never forgotten, so one that is known now is known when it is stored, and need not be
            // compressed.
            boolean isKnown = known.find(slot.digest, slot.length) >= 0 || entry(slot) != ChunkDictionary.NONE;
            slot.packedLength = isKnown ? slot.length : pack(slot);
            if (slot.packedLength < slot.length) {
                packedBytes += slot.packedLength;
            }
        }
    }

    private long entry(Slot slot) {
        return dictionary.find(options.digest(), slot.digest, slot.length);
    }

    private int pack(Slot slot) {
        int at = slot.packedFrom;
        if (zstd != null) {
            return zstd.compressByteArray(packed, at, packed.length - at, raw, slot.from, slot.length);
        }
        if (lz4 != null) {
            return lz4.compress(raw, slot.from, slot.length, packed, at, packed.length - at);
        }
        return slot.length;
    }

    /**
     * Waits for the press, writes the chunks that neither the layer nor the dictionary has already, and tells their files. The press
     * is empty then.
     *
     * @param shared gets what the dictionary has
     * @return the bytes saved by that
     */
    long store(OutputStream out, SharedChunks shared) throws IOException {
        await();
        long saved = 0;
        for (int i = 0; i < filled; i++) {
            var slot = slots.get(i);
            var owner = slot.file;
            if (owner == null) {
                throw new IllegalStateException("the press is empty");
            }
            slot.file = null;
            saved += store(slot, owner, out, shared);
        }
        filled = 0;
        rawBytes = 0;
        return saved;
    }

    private int store(Slot slot, LayerFile owner, OutputStream out, SharedChunks shared) throws IOException {
        long entry = entry(slot);
        if (entry != ChunkDictionary.NONE) {
            owner.addShared(shared.use(entry, slot.ordinal));
            return slot.length;
        }
        int chunk = known.find(slot.digest, slot.length);
        boolean duplicate = chunk >= 0;
        if (!duplicate) {
            boolean smaller = slot.packedLength < slot.length;
            int stored = smaller ? slot.packedLength : slot.length;
            out.write(smaller ? packed : raw, smaller ? slot.packedFrom : slot.from, stored);
            chunk = known.add(slot.digest, slot.length, stored, slot.ordinal);
        }
        owner.add(chunk);
        return duplicate ? slot.length : 0;
    }

    private void await() throws IOException {
        try {
            pressing.join();
        } catch (CompletionException e) {
            throw new IOException("a chunk could not be compressed: " + e.getCause(), e);
        }
    }

    /** Waits for a press that is under way, for it uses the native memory that is freed here. */
    @Override
    public void close() {
        try {
            pressing.join();
        } catch (CompletionException e) {
            // The writer has reported it, or gave up for another reason.
        }
        if (zstd != null) {
            zstd.close();
        }
    }
}
