package dev.thaw.rafs;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Cuts a directory that is being written into blocks; their form is told at {@link Directory}. A name never crosses blocks, and
 * {@code .} and {@code ..} are sorted among the others.
 */
final class DirectoryBlocks {
    /** One less than a block: of a directory whose last block is quite full nydus 2.2 reads the last name into the next block. */
    private static final int MAX_USED_BYTES = SuperBlock.BLOCK_BYTES - 1;

    private static final byte[][] DOTS = {{'.'}, {'.', '.'}};

    /** Takes the blocks one after the other. */
    @FunctionalInterface
    interface Sink {
        /** The array is used again for the next block; bytes from {@code length} on are zero. */
        void block(byte[] block, int length, boolean isLast) throws IOException;
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Entry(byte[] name, TreeNode node) {}

    @FunctionalInterface
    private interface EntrySink {
        void entry(byte[] name, TreeNode node) throws IOException;
    }

    private DirectoryBlocks() {}

    /** Bytes of all blocks, of which only the last is not filled up. */
    static long size(TreeNode directory) throws IOException {
        long[] sizes = {0, 0}; // full blocks, bytes of the current one
        forEach(directory, (name, node) -> {
            int bytes = Directory.ENTRY_BYTES + name.length;
            if (sizes[1] + bytes > MAX_USED_BYTES) {
                sizes[0]++;
                sizes[1] = 0;
            }
            sizes[1] += bytes;
        });
        return sizes[0] * SuperBlock.BLOCK_BYTES + sizes[1];
    }

    static void write(TreeNode directory, Sink sink) throws IOException {
        var block = new Building();
        forEach(directory, (name, node) -> {
            if (!block.fits(name)) {
                block.flush(sink, false);
            }
            block.add(name, node);
        });
        block.flush(sink, true);
    }

    private static void forEach(TreeNode directory, EntrySink sink) throws IOException {
        TreeNode[] dotNodes = {directory, directory.parent()};
        int dots = 0;
        for (var child : directory.children().entrySet()) {
            while (dots < DOTS.length && Arrays.compareUnsigned(DOTS[dots], child.getKey()) < 0) {
                sink.entry(DOTS[dots], dotNodes[dots]);
                dots++;
            }
            sink.entry(child.getKey(), child.getValue());
        }
        for (; dots < DOTS.length; dots++) {
            sink.entry(DOTS[dots], dotNodes[dots]);
        }
    }

    /** The number of a type in a directory entry. */
    static int fileType(int mode) {
        return switch (mode & Inode.TYPE_MASK) {
            case Inode.TYPE_REGULAR -> 1;
            case Inode.TYPE_DIRECTORY -> 2;
            case Inode.TYPE_CHARACTER_DEVICE -> 3;
            case Inode.TYPE_BLOCK_DEVICE -> 4;
            case Inode.TYPE_FIFO -> 5;
            case Inode.TYPE_SOCKET -> 6;
            case Inode.TYPE_SYMLINK -> 7;
            default -> 0;
        };
    }

    /** The block that is being filled. */
    private static final class Building {
        private final ByteBuffer buffer =
                ByteBuffer.allocate(SuperBlock.BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        private final List<Entry> entries = new ArrayList<>();
        private int used;

        boolean fits(byte[] name) {
            return used + Directory.ENTRY_BYTES + name.length <= MAX_USED_BYTES;
        }

        void add(byte[] name, TreeNode node) {
            entries.add(new Entry(name, node));
            used += Directory.ENTRY_BYTES + name.length;
        }

        void flush(Sink sink, boolean isLast) throws IOException {
            int nameOffset = entries.size() * Directory.ENTRY_BYTES;
            for (var entry : entries) {
                buffer.putLong(entry.node.nid)
                        .putShort((short) nameOffset)
                        .put((byte) fileType(entry.node.type()))
                        .put((byte) 0);
                nameOffset += entry.name.length;
            }
            for (var entry : entries) {
                buffer.put(entry.name);
            }
            int length = buffer.position();
            while (buffer.hasRemaining()) {
                buffer.put((byte) 0);
            }
            sink.block(buffer.array(), length, isLast);
            buffer.clear();
            entries.clear();
            used = 0;
        }
    }
}
