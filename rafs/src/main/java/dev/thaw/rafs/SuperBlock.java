package dev.thaw.rafs;

import java.io.IOException;

/**
 * The EROFS super block, 1024 bytes into the bootstrap, which kernel and nydus both read.
 *
 * <pre>
 *  off size field
 *    0    4 magic          0xE0F5E1E2
 *    4    4 checksum       0: nydus refuses others
 *    8    4 featureCompat  bit 30 says RAFS v6
 *   12    1 blockBits      12; 9 in tarfs mode
 *   13    1 extSlots       0
 *   14    2 rootNid        so the root lies within the first 2 MiB of the metadata
 *   16    8 inodes         number of inodes, for statfs
 *   24    8 epoch          time of compact inodes, seconds
 *   32    4 epochNanos
 *   36    4 blocks         sum of the devices' blocks, for statfs
 *   40    4 metaBlock      start of the metadata area, in blocks
 *   44    4 xattrBlock     0: shared xattrs are not allowed
 *   48   16 uuid
 *   64   16 volumeName
 *   80    4 featureIncompat 0xc: chunk-based files and a device table
 *   84    2 algorithms     0
 *   86    2 devices        number of blobs
 *   88    2 deviceSlot     11: the device table starts at 11 * 128 = 1408
 *   90   38 reserved       0
 * </pre>
 */
record SuperBlock(int rootNid, long inodes, long epoch, int epochNanos, long blocks, long metaBlock, int devices) {
    static final long OFFSET = 1024;
    static final int BYTES = 128;
    static final int MAGIC = 0xE0F5E1E2;
    static final int BLOCK_BITS = 12;
    static final int BLOCK_BYTES = 1 << BLOCK_BITS;
    static final int COMPAT_RAFS_V6 = 1 << 30;
    static final int INCOMPAT = 0x0c;
    static final int DEVICE_SLOT = 11;
    /** Chunk addresses have eight bits for the device. */
    static final int MAX_DEVICES = 255;

    private static final int RAFS_V5_MAGIC = 0x52414653;
    private static final int TARFS_BLOCK_BITS = 9;

    static SuperBlock read(Image in) throws CorruptImageException {
        if (in.size() >= 8 && in.i32(0) == RAFS_V5_MAGIC) {
            throw in.corrupt(0, "this is a RAFS v5 bootstrap; only RAFS v6 is read, convert the image again");
        }
        if (in.size() < BLOCK_BYTES) {
            throw in.corrupt(
                    -1, "a bootstrap of " + in.size() + " bytes is too short, it needs at least " + BLOCK_BYTES);
        }
        long at = OFFSET;
        if (in.i32(at) != MAGIC) {
            throw in.corrupt(at, "magic is 0x%08x, an EROFS image has 0x%08x".formatted(in.i32(at), MAGIC));
        }
        if ((in.i32(at + 8) & COMPAT_RAFS_V6) == 0) {
            throw in.corrupt(
                    at + 8,
                    "this is an EROFS image but not RAFS v6: a plain EROFS image, or one of nydus 3; neither is read");
        }
        if (in.u8(at + 12) == TARFS_BLOCK_BITS) {
            throw in.corrupt(at + 12, "this is a tarfs image (512-byte blocks), which cannot be read lazily");
        }
        require(in, in.u8(at + 12) == BLOCK_BITS, at + 12, "block size bits are not 12");
        require(in, in.size() % BLOCK_BYTES == 0, -1, "length " + in.size() + " is not a multiple of 4096");
        require(in, in.i32(at + 4) == 0, at + 4, "checksum is not 0");
        require(in, in.u8(at + 13) == 0, at + 13, "super block has extension slots");
        require(in, in.i32(at + 44) == 0, at + 44, "shared xattr area is not allowed");
        require(
                in,
                in.i32(at + 80) == INCOMPAT,
                at + 80,
                "unknown incompatible features 0x%x, expected 0x%x".formatted(in.i32(at + 80), INCOMPAT));
        require(in, in.u16(at + 84) == 0, at + 84, "EROFS compression is not allowed");
        require(in, in.u16(at + 88) == DEVICE_SLOT, at + 88, "device table is not at slot 11");
        var block = new SuperBlock(
                in.u16(at + 14),
                in.u63(at + 16, "inode count"),
                in.i64(at + 24),
                in.i32(at + 32),
                in.u32(at + 36),
                in.u32(at + 40),
                in.u16(at + 86));
        require(in, block.inodes != 0, at + 16, "inode count is 0");
        require(in, Inode.areNanos(block.epochNanos), at + 32, "nanoseconds are out of range");
        require(in, block.metaBlock * BLOCK_BYTES < in.size(), at + 40, "metadata area starts beyond the end");
        require(
                in,
                block.devices <= MAX_DEVICES,
                at + 86,
                block.devices + " blobs; chunk addresses allow " + MAX_DEVICES);
        require(
                in,
                block.devices > 0 || block.blocks == 0 || block.blocks == BLOCK_BYTES,
                at + 36,
                "blocks without any device");
        return block;
    }

    void write(ImageWriter out) throws IOException {
        out.zeroTo(OFFSET)
                .u32(MAGIC)
                .u32(0)
                .u32(COMPAT_RAFS_V6)
                .u8(BLOCK_BITS)
                .u8(0)
                .u16(rootNid)
                .u64(inodes)
                .u64(epoch)
                .u32(epochNanos)
                .u32(blocks)
                .u32(metaBlock)
                .zeroTo(OFFSET + 80)
                .u32(INCOMPAT)
                .u16(0)
                .u16(devices)
                .u16(DEVICE_SLOT)
                .zeroTo(OFFSET + BYTES);
    }

    private static void require(Image in, boolean condition, long offset, String reason) throws CorruptImageException {
        if (!condition) {
            throw in.corrupt(offset, reason);
        }
    }
}
