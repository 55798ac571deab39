package dev.thaw.rafs;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Factory;
import org.jspecify.annotations.Nullable;

/**
 * Takes one chunk at a time through reading, digesting and compressing. Filling and storing are the writer's; in between the
 * chunk may be pressed on another thread. Holds two buffers of about the chunk size, and about 4 MiB of native memory with zstd.
 */
final class ChunkPress implements AutoCloseable {
    private final LayerOptions options;
    private final LayerChunks known;
    private final ChunkDictionary dictionary;
    private final ChunkHasher hasher;
    private final byte[] raw;
    private final byte[] packed;
    private final byte[] digest = new byte[ChunkRecords.DIGEST_BYTES];
    private final @Nullable ZstdCompressCtx zstd;
    private final @Nullable LZ4Compressor lz4;

    private @Nullable LayerFile file;
    private int ordinal;
    private int length;
    private int packedLength;
    private CompletableFuture<Void> pressing = CompletableFuture.completedFuture(null);

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

    private int bound() {
        return switch (options.codec()) {
            case ZSTD -> Math.toIntExact(Zstd.compressBound(options.chunkSizeBytes()));
            case LZ4_BLOCK -> lz4 == null ? 0 : lz4.maxCompressedLength(options.chunkSizeBytes());
            case NONE, GZIP -> 0;
        };
    }

    /** Reads the file's chunk number {@code ordinal}. */
    void fill(LayerFile file, int ordinal, int length, InputStream in) throws IOException {
        int n = in.readNBytes(raw, 0, length);
        if (n < length) {
            throw new EOFException("content ended " + (length - n) + " bytes early or more");
        }
        this.file = file;
        this.ordinal = ordinal;
        this.length = length;
    }

    void press(Executor executor) {
        pressing = CompletableFuture.runAsync(this::press, executor);
    }

    private void press() {
        hasher.digest(MemorySegment.ofArray(raw).asSlice(0, length), digest);
        // Chunks are never forgotten, so one that is known now is known when it is stored, and need not be compressed.
        packedLength = known.find(digest, length) >= 0 || entry() != ChunkDictionary.NONE ? length : pack();
    }

    private long entry() {
        return dictionary.find(options.digest(), digest, length);
    }

    private int pack() {
        if (zstd != null) {
            return zstd.compressByteArray(packed, 0, packed.length, raw, 0, length);
        }
        if (lz4 != null) {
            return lz4.compress(raw, 0, length, packed, 0, packed.length);
        }
        return length;
    }

    /**
     * Waits for the press, writes the chunk unless the layer or the dictionary has it already, and tells the file.
     *
     * @param shared gets what the dictionary has
     * @return the bytes saved by that
     */
    int store(OutputStream out, SharedChunks shared) throws IOException {
        await();
        var owner = file;
        file = null;
        if (owner == null) {
            throw new IllegalStateException("the press is empty");
        }
        long entry = entry();
        if (entry != ChunkDictionary.NONE) {
            owner.addShared(shared.use(entry, ordinal));
            return length;
        }
        int chunk = known.find(digest, length);
        boolean duplicate = chunk >= 0;
        if (!duplicate) {
            boolean smaller = packedLength < length;
            out.write(smaller ? packed : raw, 0, smaller ? packedLength : length);
            chunk = known.add(digest, length, smaller ? packedLength : length, ordinal);
        }
        owner.add(chunk);
        return duplicate ? length : 0;
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
