package dev.thaw.rafs.scan;

import org.jspecify.annotations.Nullable;

/** A place where a compressed layer can be entered: where a block of deflate data begins, or a zstd frame. */
public final class Checkpoint {
    private final long inOffset;
    private final long outOffset;
    private final int bits;
    private final int carriedByte;
    private final int member;
    private final boolean startsMember;
    private volatile byte @Nullable [] window;

    /** A checkpoint whose window is not known yet. */
    public Checkpoint(long inOffset, long outOffset, int bits, int carriedByte, int member, boolean startsMember) {
        this.inOffset = inOffset;
        this.outOffset = outOffset;
        this.bits = bits;
        this.carriedByte = carriedByte;
        this.member = member;
        this.startsMember = startsMember;
    }

    /** First whole byte of the stored stream that belongs to the block. */
    public long inOffset() {
        return inOffset;
    }

    /** Position in the decoded bytes. */
    public long outOffset() {
        return outOffset;
    }

    /** How many of the upper bits of the byte before {@link #inOffset} belong to the block, 0 … 7. */
    public int bits() {
        return bits;
    }

    /** The byte with those bits; the lower ones are 0. */
    public int carriedByte() {
        return carriedByte;
    }

    /** Number of the gzip member or zstd frame that it lies in, the first being 1. */
    public int member() {
        return member;
    }

    /** Whether a gzip member or a zstd frame begins here, so that nothing before is ever referred to. */
    public boolean startsMember() {
        return startsMember;
    }

    /** Whether {@link #window} is known; it is once so much was decoded behind the checkpoint that nothing can refer to before. */
    public boolean isComplete() {
        return window != null;
    }

    /** The bytes just before {@link #outOffset} that must be known here, at most 32 KiB; those that nothing refers to are 0. */
    public byte[] window() {
        var known = window;
        if (known == null) {
            throw new IllegalStateException("what refers to the window was not decoded yet");
        }
        return known;
    }

    /** Says what the window is. */
    public void complete(byte[] used) {
        window = used;
    }
}
