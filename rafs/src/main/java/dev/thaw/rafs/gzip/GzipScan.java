package dev.thaw.rafs.gzip;

import dev.thaw.rafs.scan.Checkpoint;
import dev.thaw.rafs.scan.LayerScan;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.zip.CRC32;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Decodes a gzip stream of one or more members (RFC 1952), and notes on the way where it can be entered.
 *
 * <p>Memory: 400 KiB, and for each checkpoint that was not yet asked beyond, at most 32 KiB.
 */
public final class GzipScan extends LayerScan {
    private static final int PIECE_BYTES = 128 << 10;
    /** How exactly it is known which input made which output. */
    private static final int STEP_BYTES = 16 << 10;

    private static final int TRAILER_BYTES = 8;
    private static final int FLAG_HEADER_CRC = 2;
    private static final int FLAG_EXTRA = 4;
    private static final int FLAG_NAME = 8;
    private static final int FLAG_COMMENT = 16;
    private static final int FLAGS_RESERVED = 0xe0;

    private final InputStream source;
    private final int grainBytes;
    private final BitSource in;
    private final DeflateBlocks blocks;
    private final byte[] buffer = new byte[DeflateBlocks.WINDOW_BYTES + PIECE_BYTES + DeflateBlocks.OVERSHOOT_BYTES];
    private final CRC32 crc = new CRC32();
    private int unread = DeflateBlocks.WINDOW_BYTES;
    /** Position in the decoded bytes of the buffer's first. */
    private long bufferStart = -DeflateBlocks.WINDOW_BYTES;

    private boolean isInMember;
    private boolean isOver;
    private int members;
    private long memberStart;

    private @Nullable Checkpoint open;
    private byte[] openWindow = {};
    private long openUntil;
    private long lastCheckpoint = Long.MIN_VALUE;

    /**
     * @param gzip the stored stream; closed with this
     * @param grainBytes least distance of checkpoints in the decoded bytes, 32 KiB or more; where members begin they may be closer. 0
     *     if the stream is only decoded: that takes about half as long as {@link java.util.zip.Inflater} needs
     */
    public GzipScan(InputStream gzip, int grainBytes) throws IOException {
        if (grainBytes != 0 && grainBytes < DeflateBlocks.WINDOW_BYTES) {
            throw new IllegalArgumentException("checkpoints " + grainBytes + " bytes apart are too close");
        }
        this.source = gzip;
        this.grainBytes = grainBytes;
        this.in = new BitSource(gzip);
        this.blocks = new DeflateBlocks(in);
        blocks.out = unread;
    }

    @Override
    public int read(byte[] into, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, into.length);
        if (length == 0) {
            return 0;
        }
        while (unread == blocks.out) {
            if (isOver) {
                return -1;
            }
            slide();
            decode();
        }
        int n = Math.min(length, blocks.out - unread);
        System.arraycopy(buffer, unread, into, from, n);
        unread += n;
        return n;
    }

    @Override
    public void close() throws IOException {
        source.close();
    }

    /** Moves what may be referred to to the buffer's beginning. */
    private void slide() {
        int by = blocks.out - DeflateBlocks.WINDOW_BYTES;
        if (by <= 0) {
            return;
        }
        System.arraycopy(buffer, by, buffer, 0, DeflateBlocks.WINDOW_BYTES);
        bufferStart += by;
        blocks.out -= by;
        unread -= by;
        blocks.historyStart = Math.max(0, blocks.historyStart - by);
        if (open != null) {
            blocks.notedBefore -= by;
        }
    }

    private long outOffset() {
        return bufferStart + blocks.out;
    }

    private void decode() throws IOException {
        int limit = DeflateBlocks.WINDOW_BYTES + PIECE_BYTES;
        while (blocks.out < limit && !isOver) {
            if (!isInMember) {
                beginMember();
            } else if (blocks.isOver()) {
                endMember();
            } else {
                if (blocks.isBetweenBlocks()) {
                    if (grainBytes > 0) {
                        consider();
                    }
                    blocks.begin();
                }
                step(limit);
            }
        }
    }

    private void step(int limit) throws IOException {
        int before = blocks.out;
        int until = Math.min(limit, before + STEP_BYTES);
        if (open != null) {
            until = (int) Math.min(until, openUntil - bufferStart);
        }
        blocks.decode(buffer, until);
        crc.update(buffer, before, blocks.out - before);
        if (open != null && outOffset() >= openUntil) {
            completeOpen();
        }
        if (grainBytes > 0 && blocks.out > before) {
            note(outOffset(), (in.bitPosition() + 7) >>> 3);
        }
    }

    // --- checkpoints

    /** A block begins: is this a place to note? */
    private void consider() {
        long at = outOffset();
        boolean startsMember = at == memberStart;
        if (!startsMember && (open != null || at - lastCheckpoint < grainBytes)) {
            return;
        }
        if (startsMember && at == lastCheckpoint) {
            return; // blocks or members without content
        }
        completeOpen();
        long bit = in.bitPosition();
        int bits = (int) (-bit & 7);
        int carried = (int) (in.held & ((1 << bits) - 1)) << (8 - bits) & 0xff;
        var checkpoint = new Checkpoint((bit + 7) >>> 3, at, bits, carried, members, startsMember);
        lastCheckpoint = at;
        if (startsMember) {
            checkpoint.complete(new byte[0]);
        } else {
            int length = blocks.out - Math.max(blocks.historyStart, blocks.out - DeflateBlocks.WINDOW_BYTES);
            openWindow = new byte[length];
            System.arraycopy(buffer, blocks.out - length, openWindow, 0, length);
            openUntil = at + DeflateBlocks.WINDOW_BYTES;
            blocks.notedBefore = blocks.out;
            open = checkpoint;
        }
        note(checkpoint);
    }

    private void completeOpen() {
        if (open != null) {
            open.complete(blocks.noted.used(openWindow));
            open = null;
            blocks.noted.clear();
            blocks.notedBefore = Integer.MIN_VALUE;
        }
    }

    // --- members

    private void beginMember() throws IOException {
        if (members > 0 && in.isAtEnd()) {
            isOver = true;
            completeOpen();
            return;
        }
        if (in.takeByte() != 0x1f || in.takeByte() != 0x8b) {
            throw new ZipException(members == 0 ? "not in gzip format" : "garbage behind a gzip member");
        }
        if (in.takeByte() != 8) {
            throw new ZipException("gzip: an unknown method");
        }
        int flags = in.takeByte();
        if ((flags & FLAGS_RESERVED) != 0) {
            throw new ZipException("gzip: reserved flags are set");
        }
        for (int i = 0; i < 6; i++) {
            in.takeByte();
        }
        if ((flags & FLAG_EXTRA) != 0) {
            int length = in.takeByte() | in.takeByte() << 8;
            for (int i = 0; i < length; i++) {
                in.takeByte();
            }
        }
        skipText(flags & FLAG_NAME);
        skipText(flags & FLAG_COMMENT);
        if ((flags & FLAG_HEADER_CRC) != 0) {
            in.takeByte();
            in.takeByte();
        }
        members++;
        isInMember = true;
        memberStart = outOffset();
        crc.reset();
        blocks.restart(blocks.out);
    }

    private void skipText(int isThere) throws IOException {
        if (isThere != 0) {
            int b = in.takeByte();
            while (b != 0) {
                b = in.takeByte();
            }
        }
    }

    private void endMember() throws IOException {
        in.align();
        long expectedCrc = 0;
        long expectedLength = 0;
        for (int i = 0; i < TRAILER_BYTES; i++) {
            long b = in.takeByte();
            if (i < 4) {
                expectedCrc |= b << 8 * i;
            } else {
                expectedLength |= b << 8 * (i - 4);
            }
        }
        if (expectedCrc != crc.getValue()) {
            throw new ZipException("gzip: a member has a wrong CRC");
        }
        if (expectedLength != (outOffset() - memberStart & 0xffff_ffffL)) {
            throw new ZipException("gzip: a member has a wrong length");
        }
        isInMember = false;
    }
}
