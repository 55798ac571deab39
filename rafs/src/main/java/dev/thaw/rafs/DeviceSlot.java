package dev.thaw.rafs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * One entry of the device table, which the kernel reads.
 *
 * <pre>
 *  off size field
 *    0   64 tag            blob id
 *   64    4 blocks         length of the device in 4096-byte blocks
 *   68    4 mappedBlock    where the device starts when all lie in one flat file
 *   72   56 reserved
 * </pre>
 */
record DeviceSlot(String tag, long blocks, long mappedBlock) {
    static final long TABLE_OFFSET = SuperBlock.DEVICE_SLOT * 128L;
    static final int BYTES = 128;
    static final int TAG_BYTES = 64;

    static DeviceSlot read(Image in, int index) throws CorruptImageException {
        long at = TABLE_OFFSET + (long) index * BYTES;
        in.require(at, BYTES, "device table entry");
        var slot = new DeviceSlot(in.ascii(at, TAG_BYTES), in.u32(at + 64), in.u32(at + 68));
        if (slot.blocks == 0) {
            throw in.corrupt(at + 64, "device " + index + " has no blocks");
        }
        return slot;
    }

    void write(ImageWriter out) throws IOException {
        long end = out.position() + BYTES;
        out.bytes(tag.getBytes(StandardCharsets.ISO_8859_1)).zeroTo(end - BYTES + TAG_BYTES);
        out.u32(blocks).u32(mappedBlock).zeroTo(end);
    }
}
