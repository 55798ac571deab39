package dev.thaw.rafs.zstd;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.thaw.rafs.scan.Checkpoint;
import dev.thaw.rafs.scan.LayerScan;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.zip.ZipException;

/**
 * Decodes a stream of zstd frames (RFC 8878), and notes where they begin: nothing in a frame refers to what lies before it. Frames that
 * are to be skipped, as those with a seek table, belong to the frame behind them.
 *
 * <p>Memory: 256 KiB, what zstd needs for a frame's window, and a few bytes for each checkpoint that was not yet asked beyond.
 */
public final class ZstdScan extends LayerScan {
    /** No frame may be longer, or reading a few bytes of it would take too long. */
    public static final int LONGEST_FRAME_BYTES = 16 << 20;

    private static final int BUFFER_BYTES = 128 << 10;

    private final InputStream source;
    /** Frames may be tiny, and checkpoints at each would take more room than the layer. */
    private final int grainBytes;

    private final ZstdDecompressCtx context = new ZstdDecompressCtx();
    private final byte[] input = new byte[BUFFER_BYTES];
    private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER_BYTES).limit(0);
    private final ByteBuffer out = ByteBuffer.allocateDirect(BUFFER_BYTES).limit(0);
    /** Positions of what comes next of {@link #in} and behind {@link #out}. */
    private long inOffset;

    private long outOffset;
    private boolean isInFrame;
    /** Whether what was taken of the input may have made more than there was room for. */
    private boolean isFull;

    private boolean isOver;
    private int checkpoints;
    private long lastCheckpoint = -1;

    /**
     * @param zstd the stored stream; closed with this
     * @param grainBytes least distance of checkpoints in the decoded bytes
     */
    public ZstdScan(InputStream zstd, int grainBytes) {
        this.source = zstd;
        this.grainBytes = grainBytes;
    }

    @Override
    public int read(byte[] into, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, into.length);
        if (length == 0) {
            return 0;
        }
        while (!out.hasRemaining()) {
            if (isOver) {
                return -1;
            }
            decode();
        }
        int n = Math.min(length, out.remaining());
        out.get(into, from, n);
        return n;
    }

    private void decode() throws IOException {
        if (!in.hasRemaining() && !(isInFrame && isFull) && !fill()) {
            if (isInFrame) {
                throw new EOFException("the last zstd frame is cut off");
            }
            isOver = true;
            return;
        }
        if (!isInFrame && (lastCheckpoint < 0 || outOffset - lastCheckpoint >= grainBytes)) {
            var checkpoint = new Checkpoint(inOffset, outOffset, 0, 0, ++checkpoints, true);
            checkpoint.complete(new byte[0]);
            note(checkpoint);
            lastCheckpoint = outOffset;
        }
        out.clear();
        int before = in.position();
        try {
            isInFrame = !context.decompressDirectByteBufferStream(out, in);
        } catch (ZstdException e) {
            var corrupt = new ZipException("zstd: " + e.getMessage());
            corrupt.initCause(e);
            throw corrupt;
        }
        isFull = !out.hasRemaining();
        out.flip();
        inOffset += in.position() - before;
        if (out.hasRemaining()) {
            outOffset += out.remaining();
            note(outOffset, inOffset);
        }
    }

    private boolean fill() throws IOException {
        int n = source.read(input);
        if (n < 0) {
            return false;
        }
        in.clear().put(input, 0, n).flip();
        return true;
    }

    @Override
    public void close() throws IOException {
        context.close();
        source.close();
    }
}
