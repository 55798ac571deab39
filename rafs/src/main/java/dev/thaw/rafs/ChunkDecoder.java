package dev.thaw.rafs;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;

/**
 * Decodes chunks. Safe for use by many threads; keeps native contexts and hands them from call to call, so that decoding a chunk
 * leaves no garbage behind but a few views. Native memory is fastest on both sides; arrays work as well.
 */
public final class ChunkDecoder implements AutoCloseable {
    private final Spares<ZstdDecompressCtx> contexts = new Spares<>(ZstdDecompressCtx::new);
    private final LZ4SafeDecompressor lz4 = LZ4Factory.fastestInstance().safeDecompressor();
    private volatile boolean closed;

    /**
     * Decodes one chunk.
     *
     * @param compressed exactly the stored bytes
     * @param out exactly as long as the chunk's uncompressed length
     * @return {@code out.byteSize()}
     * @throws CorruptImageException if the bytes cannot be decoded or make another length
     */
    public int decode(Codec codec, MemorySegment compressed, MemorySegment out) throws CorruptImageException {
        long length = switch (codec) {
            case NONE -> copy(compressed, out);
            case ZSTD -> zstd(accessible(compressed), out.asByteBuffer());
            case LZ4_BLOCK -> lz4(accessible(compressed), out.asByteBuffer());
            case GZIP -> throw new CorruptImageException("chunk", -1, "gzip chunks are not read");
        };
        if (length != out.byteSize()) {
            throw new CorruptImageException("chunk", -1, "decodes to " + length + " bytes, not " + out.byteSize());
        }
        return (int) length;
    }

    /**
     * Decodes one chunk of a table, compressed or not.
     *
     * @param stored exactly {@link ChunkTable#compressedLength} bytes
     * @param out exactly {@link ChunkTable#uncompressedLength} bytes
     */
    public void decode(ChunkTable table, int chunk, MemorySegment stored, MemorySegment out)
            throws CorruptImageException {
        try {
            decode(table.compressed(chunk) ? table.blob().codec() : Codec.NONE, stored, out);
        } catch (CorruptImageException e) {
            throw new CorruptImageException(
                    table.blob().id(), table.compressedOffset(chunk), "chunk " + chunk + ": " + e.reason());
        }
    }

    private static long copy(MemorySegment from, MemorySegment to) {
        if (from.byteSize() == to.byteSize()) {
            to.copyFrom(from);
        }
        return from.byteSize();
    }

    /** A read-only array hides itself; the native code needs it. */
    private static ByteBuffer accessible(MemorySegment segment) {
        return segment.isNative() || !segment.isReadOnly()
                ? segment.asByteBuffer()
                : ByteBuffer.wrap(segment.toArray(ValueLayout.JAVA_BYTE));
    }

    private int zstd(ByteBuffer compressed, ByteBuffer out) throws CorruptImageException {
        if (closed) {
            throw new IllegalStateException("the decoder is closed");
        }
        var context = contexts.take();
        try {
            return zstd(context, compressed, out);
        } catch (ZstdException e) {
            throw new CorruptImageException("chunk", -1, "zstd: " + e.getMessage());
        } finally {
            if (!contexts.giveBack(context)) {
                context.close();
            }
            if (closed) {
                closeSpares();
            }
        }
    }

    private static int zstd(ZstdDecompressCtx context, ByteBuffer from, ByteBuffer to) {
        int fromLength = from.remaining();
        int toLength = to.remaining();
        if (from.isDirect()) {
            return to.isDirect()
                    ? context.decompressDirectByteBuffer(to, 0, toLength, from, 0, fromLength)
                    : context.decompressDirectByteBufferToByteArray(
                            to.array(), to.arrayOffset(), toLength, from, 0, fromLength);
        }
        return to.isDirect()
                ? context.decompressByteArrayToDirectByteBuffer(
                        to, 0, toLength, from.array(), from.arrayOffset(), fromLength)
                : context.decompressByteArray(
                        to.array(), to.arrayOffset(), toLength, from.array(), from.arrayOffset(), fromLength);
    }

    private int lz4(ByteBuffer compressed, ByteBuffer out) throws CorruptImageException {
        try {
            return lz4.decompress(compressed, 0, compressed.remaining(), out, 0, out.remaining());
        } catch (LZ4Exception e) {
            throw new CorruptImageException("chunk", -1, "lz4: " + e.getMessage());
        }
    }

    /** Frees the native contexts that are not in use; those in use are freed by the call that uses them. */
    @Override
    public void close() {
        closed = true;
        closeSpares();
    }

    private void closeSpares() {
        for (var context = contexts.drain(); context != null; context = contexts.drain()) {
            context.close();
        }
    }
}
