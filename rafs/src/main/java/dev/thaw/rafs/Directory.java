package dev.thaw.rafs;

import java.util.OptionalLong;

/**
 * The blocks of one directory. Each begins with an array of entries, sorted like the whole directory, and then holds their names
 * back to back.
 *
 * <pre>
 *  off size field
 *    0    8 nid
 *    8    2 nameOffset  in this block; the first entry's, divided by 12, is the number of entries
 *   10    1 fileType
 *   11    1 reserved
 * </pre>
 *
 * The last name of a block ends at a NUL or at the end of the block's valid bytes.
 *
 * @param wholeBlocks position of the blocks that lie in order
 * @param blockCount blocks altogether, at least one
 * @param lastBlock position of the last block, which may be elsewhere
 * @param lastBytes valid bytes of the last block
 */
record Directory(Image image, long wholeBlocks, int blockCount, long lastBlock, int lastBytes) {
    static final int ENTRY_BYTES = 12;
    static final int MAX_NAME_BYTES = 255;

    OptionalLong lookup(byte[] name) throws CorruptImageException {
        // The last block whose first name is not greater than the one wanted.
        int low = 0;
        int high = blockCount - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (block(middle).compare(0, name) <= 0) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return block(low).lookup(name);
    }

    void list(DirectoryVisitor visitor) throws CorruptImageException {
        for (int b = 0; b < blockCount; b++) {
            var block = block(b);
            for (int i = 0; i < block.count; i++) {
                if (!visitor.entry(block.name(i), block.nid(i), block.fileType(i))) {
                    return;
                }
            }
        }
    }

    private Block block(int index) throws CorruptImageException {
        boolean last = index == blockCount - 1;
        long start = last ? lastBlock : wholeBlocks + (long) index * SuperBlock.BLOCK_BYTES;
        int length = last ? lastBytes : SuperBlock.BLOCK_BYTES;
        image.require(start, length, "directory block");
        if (length < ENTRY_BYTES) {
            throw image.corrupt(start, "directory block of " + length + " bytes");
        }
        int first = image.u16(start + 8);
        if (first < ENTRY_BYTES || first % ENTRY_BYTES != 0 || first >= length) {
            throw image.corrupt(start + 8, "first name of a directory block at " + first + " of " + length);
        }
        return new Block(image, start, length, first / ENTRY_BYTES);
    }

    private record Block(Image image, long start, int length, int count) {
        long nid(int i) {
            return image.i64(start + (long) i * ENTRY_BYTES);
        }

        int fileType(int i) {
            return image.u8(start + (long) i * ENTRY_BYTES + 10);
        }

        byte[] name(int i) throws CorruptImageException {
            int from = nameStart(i);
            return image.copy(start + from, nameEnd(i, from) - from);
        }

        OptionalLong lookup(byte[] name) throws CorruptImageException {
            int low = 0;
            int high = count - 1;
            while (low <= high) {
                int middle = (low + high) >>> 1;
                int order = compare(middle, name);
                if (order == 0) {
                    return OptionalLong.of(nid(middle));
                }
                if (order < 0) {
                    low = middle + 1;
                } else {
                    high = middle - 1;
                }
            }
            return OptionalLong.empty();
        }

        int compare(int i, byte[] name) throws CorruptImageException {
            int from = nameStart(i);
            int to = nameEnd(i, from);
            int common = Math.min(to - from, name.length);
            for (int k = 0; k < common; k++) {
                int order = image.u8(start + from + k) - (name[k] & 0xff);
                if (order != 0) {
                    return order;
                }
            }
            return to - from - name.length;
        }

        private int nameStart(int i) throws CorruptImageException {
            long field = start + (long) i * ENTRY_BYTES + 8;
            int from = image.u16(field);
            if (from < count * ENTRY_BYTES || from >= length) {
                throw image.corrupt(field, "name at " + from + " of a directory block of " + length + " bytes");
            }
            return from;
        }

        private int nameEnd(int i, int from) throws CorruptImageException {
            int to;
            if (i + 1 < count) {
                to = image.u16(start + (i + 1L) * ENTRY_BYTES + 8);
            } else {
                to = from;
                while (to < length && image.u8(start + to) != 0) {
                    to++;
                }
            }
            if (to <= from || to > length || to - from > MAX_NAME_BYTES) {
                throw image.corrupt(start + from, "name of " + (to - from) + " bytes");
            }
            return to;
        }
    }
}
