package dev.thaw.rafs;

import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes a tree as a bootstrap, front to back, without holding more of it than the tree and one directory block.
 *
 * <pre>
 *  0      boot area, super block, RAFS super block, device table
 *  B      blob table
 *  M      metadata: one unused block, then inodes with their xattrs, inline tails and chunk indexes,
 *         then the blocks of directories and symlinks that do not fit behind their inode
 *  C      chunk table
 * </pre>
 *
 * A first pass over the tree gives each node its place, the root first, then per directory its files and after them its
 * sub-directories; the second writes in that order.
 */
final class BootstrapWriter {
    /** Devices lie at multiples of this in the flat address space. */
    private static final long FLAT_ALIGNMENT = 0x80000;

    private static final long MAX_BLOCKS = 0xffffffffL;
    /** One less than the format's eight bits allow, as nydus has it. */
    static final int MAX_BLOBS = 254;

    /** Of a bootstrap as a whole. */
    record Settings(int chunkSizeBytes, Codec codec, DigestAlgorithm digest, boolean isLayer) {}

    /** Writes the records of the chunk table, sorted. */
    interface RecordSource {
        int count();

        void write(ImageWriter out) throws IOException;
    }

    private final TreeNode root;
    private final List<BlobInfo> blobs;
    private final RecordSource records;
    private final Settings settings;

    private final List<TreeNode> order = new ArrayList<>();
    private final long metaStart;
    private final long dataStart;
    private final long recordsStart;
    private final long end;
    private long dataBlocks;
    private boolean hasXattrs;

    /** Lays the tree out; its nodes must not have been laid out before. */
    BootstrapWriter(TreeNode root, List<BlobInfo> blobs, RecordSource records, Settings settings) throws IOException {
        if (blobs.size() > MAX_BLOBS) {
            throw new IOException("image has " + blobs.size() + " blobs; at most " + MAX_BLOBS + " can be addressed");
        }
        this.root = root;
        this.records = records;
        this.settings = settings;
        this.metaStart = Image.roundUp(
                blobTableStart(blobs.size()) + (long) BlobTable.ENTRY_BYTES * blobs.size(), SuperBlock.BLOCK_BYTES);
        this.dataStart = Image.roundUp(placeAll(), SuperBlock.BLOCK_BYTES);
        this.recordsStart = dataStart + dataBlocks * SuperBlock.BLOCK_BYTES;
        this.end =
                Image.roundUp(recordsStart + (long) ChunkRecords.ENTRY_BYTES * records.count(), SuperBlock.BLOCK_BYTES);
        this.blobs = mapped(blobs);
    }

    /** Length of the bootstrap. */
    long sizeBytes() {
        return end;
    }

    /** Number of inodes; a file with several names counts once. */
    long inodes() {
        return order.size();
    }

    /** Number of regular files among them. */
    long files() {
        return order.stream().filter(TreeNode::isRegular).count();
    }

    /** The blobs with their place in the flat address space. */
    List<BlobInfo> blobs() {
        return blobs;
    }

    void write(OutputStream stream) throws IOException {
        var out = new ImageWriter(stream);
        writeHead(out);
        for (var node : order) {
            out.zeroTo(address(node));
            writeInode(out, node);
        }
        out.zeroTo(dataStart);
        for (var node : order) {
            if (node.dataBlock >= 0) {
                out.zeroTo((dataStart / SuperBlock.BLOCK_BYTES + node.dataBlock) * SuperBlock.BLOCK_BYTES);
                writeBlocks(out, node);
            }
        }
        out.zeroTo(recordsStart);
        records.write(out);
        out.zeroTo(end).flush();
    }

    // --- layout

    /** Returns where the inodes end. */
    private long placeAll() throws IOException {
        // The first block is left free so that no inode has number 0.
        long at = metaStart + SuperBlock.BLOCK_BYTES;
        var directories = new ArrayDeque<TreeNode>();
        directories.push(root);
        while (!directories.isEmpty()) {
            var directory = directories.pop();
            at = place(directory, at);
            directory.nlink = 2;
            for (var child : directory.children().values()) {
                if (child.isDirectory()) {
                    directory.nlink++;
                    child.setParent(directory);
                    continue;
                }
                child.nlink++;
                if (child.nid == 0) {
                    at = place(child, at);
                }
            }
            for (var child : directory.children().descendingMap().values()) {
                if (child.isDirectory()) {
                    directories.push(child);
                }
            }
        }
        return at;
    }

    /** Gives a node its place at or behind {@code at} and returns where the next may be. */
    private long place(TreeNode node, long at) throws IOException {
        int xattrBytes = XattrArea.size(node.attributes().xattrs());
        hasXattrs |= xattrBytes > 0;
        int head = InodeLayout.EXTENDED_BYTES + xattrBytes;
        long start = at;
        long bytes = head;
        if (node.isRegular()) {
            bytes = Image.roundUp(head, InodeLayout.CHUNK_INDEX_BYTES)
                    + (long) InodeLayout.CHUNK_INDEX_BYTES * node.chunks().count();
        } else if (node.isDirectory() || node.isSymlink()) {
            long size = node.isDirectory() ? DirectoryBlocks.size(node) : node.symlinkTarget().length;
            node.setSizeBytes(size);
            long blocks = (size + SuperBlock.BLOCK_BYTES - 1) / SuperBlock.BLOCK_BYTES;
            int tail = (int) (size - (blocks - 1) * SuperBlock.BLOCK_BYTES);
            if (head + tail <= SuperBlock.BLOCK_BYTES) {
                node.isInline = true;
                blocks--;
                bytes = (long) head + tail;
                long room = SuperBlock.BLOCK_BYTES - start % SuperBlock.BLOCK_BYTES;
                start = bytes <= room ? start : start + room;
            }
            if (blocks > 0) {
                node.dataBlock = dataBlocks;
                dataBlocks += blocks;
            }
        }
        node.nid = (start - metaStart) / InodeLayout.SLOT_BYTES;
        order.add(node);
        return Image.roundUp(start + bytes, InodeLayout.SLOT_BYTES);
    }

    private List<BlobInfo> mapped(List<BlobInfo> blobs) throws IOException {
        var mapped = new ArrayList<BlobInfo>(blobs.size());
        long position = end;
        for (var blob : blobs) {
            long start = Image.roundUp(position, FLAT_ALIGNMENT);
            mapped.add(blob.mappedAt(start / SuperBlock.BLOCK_BYTES));
            position = start + blob.uncompressedSize();
        }
        if (position / SuperBlock.BLOCK_BYTES > MAX_BLOCKS) {
            throw new IOException(
                    "image of " + position + " uncompressed bytes is too large; at most 2^44 can be addressed");
        }
        return List.copyOf(mapped);
    }

    private static long blobTableStart(int blobs) {
        return Image.roundUp(DeviceSlot.TABLE_OFFSET + (long) DeviceSlot.BYTES * blobs, SuperBlock.BLOCK_BYTES);
    }

    private long address(TreeNode node) {
        return metaStart + node.nid * InodeLayout.SLOT_BYTES;
    }

    // --- bytes

    private void writeHead(ImageWriter out) throws IOException {
        long deviceBlocks = blobs.stream().mapToLong(BlobInfo::uncompressedSize).sum() / SuperBlock.BLOCK_BYTES;
        new SuperBlock(
                        (int) root.nid,
                        order.size(),
                        0,
                        0,
                        deviceBlocks,
                        metaStart / SuperBlock.BLOCK_BYTES,
                        blobs.size())
                .write(out);
        long blobTable = blobTableStart(blobs.size());
        new RafsSuperBlock(
                        flags(),
                        blobTable,
                        (long) BlobTable.ENTRY_BYTES * blobs.size(),
                        settings.chunkSizeBytes(),
                        recordsStart,
                        (long) ChunkRecords.ENTRY_BYTES * records.count(),
                        0,
                        0)
                .write(out);
        for (var blob : blobs) {
            new DeviceSlot(blob.id(), blob.uncompressedSize() / SuperBlock.BLOCK_BYTES, blob.mappedBlock()).write(out);
        }
        out.zeroTo(blobTable);
        for (var blob : blobs) {
            BlobTable.write(out, blob);
        }
    }

    private long flags() {
        long flags =
                settings.codec().superBlockFlag() | settings.digest().superBlockFlag() | RafsSuperBlock.FLAG_REAL_IDS;
        if (hasXattrs) {
            flags |= RafsSuperBlock.FLAG_HAS_XATTRS;
        }
        if (blobs.stream().allMatch(blob -> blob.has(BlobInfo.FEATURE_INLINED_DIGESTS))) {
            flags |= RafsSuperBlock.FLAG_INLINED_DIGESTS;
        }
        return flags;
    }

    private void writeInode(ImageWriter out, TreeNode node) throws IOException {
        var attributes = node.attributes();
        long start = out.position();
        boolean single = !node.isDirectory() && !node.isRegular();
        out.u16(InodeLayout.FORMAT_EXTENDED | layout(node) << 1)
                .u16(XattrArea.count(attributes.xattrs()))
                .u16(attributes.mode())
                .u16(0)
                .u64(node.sizeBytes())
                .u32(data(node))
                .u32(node.nid)
                .u32(attributes.uid())
                .u32(attributes.gid())
                .u64(attributes.mtimeSeconds())
                .u32(attributes.mtimeNanos())
                .u32(single ? 1 : node.nlink)
                .u32(settings.isLayer() && node.isImplied() ? InodeLayout.IMPLIED : 0)
                .zeroTo(start + InodeLayout.EXTENDED_BYTES);
        XattrArea.write(out, attributes.xattrs());
        if (node.isRegular()) {
            out.zeroTo(Image.roundUp(out.position(), InodeLayout.CHUNK_INDEX_BYTES));
            writeChunkIndexes(out, node.chunks());
        } else if (node.isInline && node.isSymlink()) {
            out.bytes(node.symlinkTarget());
        } else if (node.isInline) {
            DirectoryBlocks.write(node, (block, length, isLast) -> {
                if (isLast) {
                    out.bytes(block, 0, length);
                }
            });
        }
    }

    private static int layout(TreeNode node) {
        if (node.isRegular()) {
            return InodeLayout.LAYOUT_CHUNKS;
        }
        return node.isInline ? InodeLayout.LAYOUT_INLINE : InodeLayout.LAYOUT_PLAIN;
    }

    private long data(TreeNode node) {
        if (node.isRegular()) {
            return InodeLayout.CHUNK_INDEXES | kernelChunkBits(node) - SuperBlock.BLOCK_BITS;
        }
        if (node.isDirectory() || node.isSymlink()) {
            return node.dataBlock < 0 ? 0 : dataStart / SuperBlock.BLOCK_BYTES + node.dataBlock;
        }
        return node.attributes().rdev() & 0xffffffffL;
    }

    /**
     * How long the kernel takes one chunk to be. A file whose chunks follow each other on one device is a single chunk to it, so
     * that it reads across in large requests.
     */
    private int kernelChunkBits(TreeNode node) {
        int bits = Integer.numberOfTrailingZeros(settings.chunkSizeBytes());
        if (node.chunks().count() < 2 || !isConsecutive(node.chunks(), settings.chunkSizeBytes())) {
            return bits;
        }
        int single = Long.SIZE - Long.numberOfLeadingZeros(node.sizeBytes() - 1);
        return single <= SuperBlock.BLOCK_BITS + InodeLayout.CHUNK_BITS_MASK ? single : bits;
    }

    static boolean isConsecutive(FileChunks chunks, int chunkSizeBytes) {
        long step = chunkSizeBytes / SuperBlock.BLOCK_BYTES;
        for (int i = 1; i < chunks.count(); i++) {
            if (chunks.blobIndex(i) != chunks.blobIndex(0) || chunks.block(i) != chunks.block(0) + i * step) {
                return false;
            }
        }
        return true;
    }

    private static void writeChunkIndexes(ImageWriter out, FileChunks chunks) throws IOException {
        for (int i = 0; i < chunks.count(); i++) {
            int chunk = chunks.chunkIndex(i);
            out.u16(chunk).u16(chunk >>> 16 << 8 | chunks.blobIndex(i) + 1).u32(chunks.block(i));
        }
    }

    private void writeBlocks(ImageWriter out, TreeNode node) throws IOException {
        if (node.isSymlink()) {
            out.bytes(node.symlinkTarget());
            return;
        }
        DirectoryBlocks.write(node, (block, length, isLast) -> {
            if (!isLast || !node.isInline) {
                out.bytes(block);
            }
        });
    }
}
