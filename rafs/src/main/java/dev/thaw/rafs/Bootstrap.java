package dev.thaw.rafs;

import static dev.thaw.rafs.Inode.TYPE_DIRECTORY;
import static dev.thaw.rafs.Inode.TYPE_REGULAR;
import static dev.thaw.rafs.Inode.TYPE_SYMLINK;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * The metadata of an image or of one of its layers: directories, attributes, and where each file's chunks lie. It is also an
 * EROFS image that the kernel can mount, with one device per blob.
 *
 * <p>Opening checks the super blocks and the tables; everything else is read in place, and checked, when it is asked for. So
 * opening takes the same time for any size, and memory is the page cache's. To be sure of all of it beforehand, use {@link
 * BootstrapChecker}.
 *
 * <p>Safe for use by many threads. Closing while others read makes their calls fail with {@link IllegalStateException}.
 */
public final class Bootstrap implements AutoCloseable {
    private final Image image;
    private final @Nullable Arena arena;
    private final SuperBlock superBlock;
    private final RafsSuperBlock rafs;
    private final List<BlobInfo> blobs;
    private final long metaStart;

    private Bootstrap(Image image, @Nullable Arena arena) throws CorruptImageException {
        this.image = image;
        this.arena = arena;
        this.superBlock = SuperBlock.read(image);
        this.rafs = RafsSuperBlock.read(image, superBlock);
        this.blobs = BlobTable.read(image, superBlock, rafs);
        this.metaStart = superBlock.metaBlock() * SuperBlock.BLOCK_BYTES;
    }

    /**
     * Maps a bootstrap. The file must not be cut while it is open, or reads of the missing part end the process' thread with an
     * {@link InternalError}.
     */
    @SuppressWarnings("MustBeClosedChecker") // the bootstrap closes it
    public static Bootstrap open(Path file) throws IOException, CorruptImageException {
        var arena = Arena.ofShared();
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return new Bootstrap(new Image(mapped, file.toString()), arena);
        } catch (IOException | CorruptImageException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Maps a bootstrap for as long as it, or anything that was made of it, is in use: {@link #close} does nothing, and the file
     * may be deleted meanwhile.
     */
    public static Bootstrap map(Path file) throws IOException, CorruptImageException {
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
            return new Bootstrap(new Image(mapped, file.toString()), null);
        }
    }

    /** Lets go of the memory that reading has taken so far. What is read next comes from the page cache, or the disk. */
    public void unload() {
        if (image.bytes().isMapped()) {
            image.bytes().unload();
        }
    }

    /**
     * Reads a bootstrap that is in memory; {@link #close} leaves the memory alone.
     *
     * @param name of the bootstrap in error messages
     */
    public static Bootstrap of(MemorySegment image, String name) throws CorruptImageException {
        return new Bootstrap(new Image(image.asReadOnly(), name), null);
    }

    /** What this bootstrap is called in error messages. */
    public String name() {
        return image.name();
    }

    /** Files are cut at multiples of this. */
    public int chunkSizeBytes() {
        return rafs.chunkSize();
    }

    /** The blobs in the order of their index, which is the order of the kernel's devices. */
    public List<BlobInfo> blobs() {
        return blobs;
    }

    public long rootNid() {
        return superBlock.rootNid();
    }

    /** Number of inodes as the super block tells it; nydus counts a hard link's names one by one. */
    public long inodeCount() {
        return superBlock.inodes();
    }

    /** Length of the bootstrap itself. */
    public long sizeBytes() {
        return image.size();
    }

    public Inode inode(long nid) throws CorruptImageException {
        var at = locate(nid);
        long address = at.address;
        boolean extended = at.extended;
        long seconds = extended ? image.i64(address + InodeLayout.MTIME) : superBlock.epoch();
        int nanos = extended ? image.i32(address + InodeLayout.NANOS) : superBlock.epochNanos();
        int nlink = extended ? image.i32(address + InodeLayout.NLINK) : image.u16(address + InodeLayout.COMPACT_NLINK);
        if (!Inode.areNanos(nanos)) {
            throw image.corrupt(address + InodeLayout.NANOS, "nanoseconds are out of range");
        }
        if (nlink <= 0) {
            throw image.corrupt(address, "inode has " + Integer.toUnsignedString(nlink) + " names");
        }
        int type = at.mode & Inode.TYPE_MASK;
        boolean device = type == Inode.TYPE_CHARACTER_DEVICE || type == Inode.TYPE_BLOCK_DEVICE;
        boolean sized = type == TYPE_REGULAR || type == TYPE_DIRECTORY || type == TYPE_SYMLINK;
        return new Inode(
                nid,
                at.mode,
                sized ? at.size : 0,
                extended ? image.i32(address + InodeLayout.UID) : image.u16(address + InodeLayout.UID),
                extended ? image.i32(address + InodeLayout.GID) : image.u16(address + InodeLayout.COMPACT_GID),
                seconds,
                nanos,
                nlink,
                device ? at.data : 0,
                at.xattrBytes > 0);
    }

    /** Finds a name in a directory, {@code .} and {@code ..} included. */
    public OptionalLong lookup(long directoryNid, byte[] name) throws CorruptImageException {
        return directory(directoryNid).lookup(name);
    }

    /** Shows a directory's entries in the order of their names. */
    public void list(long directoryNid, DirectoryVisitor visitor) throws CorruptImageException {
        directory(directoryNid).list(visitor);
    }

    /**
     * Walks down from the root. Symlinks are not followed, empty parts are skipped.
     *
     * @return empty if there is no such file
     */
    public OptionalLong resolve(String absolutePath) throws CorruptImageException {
        long nid = rootNid();
        for (String part : absolutePath.split("/", -1)) {
            if (part.isEmpty()) {
                continue;
            }
            if (!inode(nid).isDirectory()) {
                return OptionalLong.empty();
            }
            var child = lookup(nid, part.getBytes(StandardCharsets.UTF_8));
            if (child.isEmpty()) {
                return child;
            }
            nid = child.getAsLong();
        }
        return OptionalLong.of(nid);
    }

    /** A symlink's target, 1 … 4095 bytes as they are. */
    public byte[] symlinkTarget(long nid) throws CorruptImageException {
        var at = locate(nid);
        at.expect(TYPE_SYMLINK, "a symlink");
        int length = (int) at.size;
        long data = at.layout == InodeLayout.LAYOUT_INLINE ? at.inlineData(length) : at.blockData();
        image.require(data, length, "symlink target");
        byte[] target = image.copy(data, length);
        for (byte b : target) {
            if (b == 0) {
                throw image.corrupt(data, "symlink target holds a NUL byte");
            }
        }
        return target;
    }

    /** Extended attributes in stored order, with their whole names. */
    public List<Xattr> xattrs(long nid) throws CorruptImageException {
        var at = locate(nid);
        if (at.xattrBytes == 0) {
            return List.of();
        }
        return XattrArea.read(image, at.address + at.inodeBytes(), at.xattrBytes);
    }

    /** Number of chunks of a regular file; 0 for an empty one. */
    public int chunkCount(long nid) throws CorruptImageException {
        return chunkCount(locate(nid));
    }

    /** Where the {@code i}-th chunk of a regular file lies. */
    public FileChunk fileChunk(long nid, int i) throws CorruptImageException {
        return chunkIndexes(nid).at(i);
    }

    /** The chunks of a regular file, for who wants more than one of them: the inode is found once. */
    ChunkIndexes chunkIndexes(long nid) throws CorruptImageException {
        var at = locate(nid);
        return new ChunkIndexes(at, chunkCount(at));
    }

    /** Where the content of one regular file lies. */
    final class ChunkIndexes {
        private final Located file;
        private final int count;
        private final long start;

        private ChunkIndexes(Located file, int count) {
            this.file = file;
            this.count = count;
            this.start = file.chunkIndexes();
        }

        int count() {
            return count;
        }

        /** The chunk format word, which tells the kernel how long one chunk is. */
        int format() {
            return file.data;
        }

        /** Position of the inode in the image, for error messages. */
        long address() {
            return file.address;
        }

        FileChunk at(int i) throws CorruptImageException {
            Objects.checkIndex(i, count);
            long entry = start + (long) i * InodeLayout.CHUNK_INDEX_BYTES;
            int low = image.u16(entry);
            int blobAndHigh = image.u16(entry + 2);
            int blobIndex = (blobAndHigh & 0xff) - 1;
            int chunkIndex = (blobAndHigh >>> 8) << 16 | low;
            long offset = image.u32(entry + 4) * SuperBlock.BLOCK_BYTES;
            int length = (int) Math.min(rafs.chunkSize(), file.size - (long) i * rafs.chunkSize());
            if (blobIndex < 0 || blobIndex >= blobs.size()) {
                throw image.corrupt(entry + 2, "chunk lies on device " + (blobIndex + 1) + " of " + blobs.size());
            }
            var blob = blobs.get(blobIndex);
            if (chunkIndex >= blob.chunkCount()) {
                throw image.corrupt(entry, "chunk number " + chunkIndex + " of " + blob.chunkCount());
            }
            if (offset > blob.uncompressedSize() - length) {
                throw image.corrupt(entry + 4, "chunk at " + offset + " lies outside of its device");
            }
            return new FileChunk(blobIndex, chunkIndex, offset, length);
        }
    }

    /** Nids of the files to be fetched ahead, in order; empty unless the image's builder was told some. */
    public List<Long> prefetchNids() {
        int count = (int) (rafs.prefetchSize() / 4);
        var nids = new ArrayList<Long>(count);
        for (int i = 0; i < count; i++) {
            nids.add(image.u32(rafs.prefetchOffset() + 4L * i));
        }
        return List.copyOf(nids);
    }

    /** Unmaps the file. Does nothing for a bootstrap made by {@link #of}. */
    @Override
    public void close() {
        if (arena != null && arena.scope().isAlive()) {
            arena.close();
        }
    }

    @Override
    public String toString() {
        return name();
    }

    Image image() {
        return image;
    }

    RafsSuperBlock rafs() {
        return rafs;
    }

    /** The chunk table, whose records are not yet checked. */
    ChunkRecords chunkRecords() {
        return new ChunkRecords(
                image, rafs.chunkTableOffset(), (int) (rafs.chunkTableSize() / ChunkRecords.ENTRY_BYTES));
    }

    /** Whether a directory of a layer's own bootstrap had no entry in the layer; see {@link InodeLayout#RESERVED}. */
    boolean isImplied(long nid) throws CorruptImageException {
        var at = locate(nid);
        return at.extended && image.i32(at.address + InodeLayout.RESERVED) == InodeLayout.IMPLIED;
    }

    /** Position of an inode in the image, for error messages. */
    long address(long nid) throws CorruptImageException {
        return locate(nid).address;
    }

    private int chunkCount(Located at) throws CorruptImageException {
        at.expect(TYPE_REGULAR, "a regular file");
        long count = at.size / rafs.chunkSize() + (at.size % rafs.chunkSize() == 0 ? 0 : 1);
        if (count > image.size() / InodeLayout.CHUNK_INDEX_BYTES) {
            throw image.corrupt(
                    at.address + InodeLayout.SIZE, "file of " + at.size + " bytes has no room for its chunks");
        }
        image.require(at.chunkIndexes(), count * InodeLayout.CHUNK_INDEX_BYTES, "chunk indexes");
        return (int) count;
    }

    private Directory directory(long nid) throws CorruptImageException {
        var at = locate(nid);
        at.expect(TYPE_DIRECTORY, "a directory");
        long blocks = (at.size + SuperBlock.BLOCK_BYTES - 1) >>> SuperBlock.BLOCK_BITS;
        if (blocks > image.size() >>> SuperBlock.BLOCK_BITS) {
            throw image.corrupt(
                    at.address + InodeLayout.SIZE, "directory of " + at.size + " bytes is longer than the image");
        }
        int last = (int) (at.size - (blocks - 1) * SuperBlock.BLOCK_BYTES);
        boolean inline = at.layout == InodeLayout.LAYOUT_INLINE;
        long whole = inline ? blocks - 1 : blocks;
        long data = at.blockData();
        if (whole > 0) {
            image.require(data, whole * SuperBlock.BLOCK_BYTES, "directory");
        }
        long lastData = inline ? at.inlineData(last) : data + (blocks - 1) * SuperBlock.BLOCK_BYTES;
        return new Directory(image, data, (int) blocks, lastData, last);
    }

    private Located locate(long nid) throws CorruptImageException {
        if (nid < 0 || nid >= (image.size() - metaStart) / InodeLayout.SLOT_BYTES) {
            throw image.corrupt(-1, "there is no inode " + Long.toUnsignedString(nid));
        }
        long address = metaStart + nid * InodeLayout.SLOT_BYTES;
        int format = image.u16(address);
        boolean extended = (format & InodeLayout.FORMAT_EXTENDED) != 0;
        int layout = format >>> 1;
        image.require(address, extended ? InodeLayout.EXTENDED_BYTES : InodeLayout.COMPACT_BYTES, "inode");
        int xattrCount = image.u16(address + InodeLayout.XATTRS);
        int mode = image.u16(address + InodeLayout.MODE);
        long size = extended ? image.i64(address + InodeLayout.SIZE) : image.u32(address + InodeLayout.SIZE);
        var at = new Located(
                image,
                address,
                extended,
                layout,
                mode,
                size,
                xattrCount == 0 ? 0 : InodeLayout.XATTR_HEADER_BYTES + 4 * (xattrCount - 1),
                image.i32(address + InodeLayout.DATA));
        at.check();
        return at;
    }

    /** The part of an inode that finding its data needs. */
    private record Located(
            Image image, long address, boolean extended, int layout, int mode, long size, int xattrBytes, int data) {

        void check() throws CorruptImageException {
            image.require(address + inodeBytes(), xattrBytes, "xattrs");
            switch (mode & Inode.TYPE_MASK) {
                case TYPE_REGULAR -> {
                    require(layout == InodeLayout.LAYOUT_CHUNKS, 0, "regular file is not made of chunks");
                    require(size >= 0, InodeLayout.SIZE, "file is longer than 2^63 bytes");
                }
                case TYPE_DIRECTORY -> {
                    requireBlocksOrInline();
                    require(size > 0 && size <= image.size(), InodeLayout.SIZE, "directory is empty or too long");
                }
                case TYPE_SYMLINK -> {
                    requireBlocksOrInline();
                    if (size <= 0 || size > InodeLayout.MAX_SYMLINK_BYTES) {
                        throw corrupt(InodeLayout.SIZE, "symlink target of " + Long.toUnsignedString(size) + " bytes");
                    }
                }
                case Inode.TYPE_CHARACTER_DEVICE, Inode.TYPE_BLOCK_DEVICE, Inode.TYPE_FIFO, Inode.TYPE_SOCKET ->
                    require(layout == InodeLayout.LAYOUT_PLAIN, 0, "special file has data");
                default ->
                    throw image.corrupt(address + InodeLayout.MODE, "unknown file type, mode 0%o".formatted(mode));
            }
        }

        private void requireBlocksOrInline() throws CorruptImageException {
            if (layout != InodeLayout.LAYOUT_PLAIN && layout != InodeLayout.LAYOUT_INLINE) {
                throw corrupt(0, "unknown data layout " + layout);
            }
        }

        private void require(boolean condition, int field, String reason) throws CorruptImageException {
            if (!condition) {
                throw corrupt(field, reason);
            }
        }

        private CorruptImageException corrupt(int field, String reason) {
            return image.corrupt(address + field, reason);
        }

        void expect(int type, String what) throws CorruptImageException {
            if ((mode & Inode.TYPE_MASK) != type) {
                throw corrupt(InodeLayout.MODE, "inode is not " + what);
            }
        }

        int inodeBytes() {
            return extended ? InodeLayout.EXTENDED_BYTES : InodeLayout.COMPACT_BYTES;
        }

        long blockData() {
            return (data & 0xffffffffL) * SuperBlock.BLOCK_BYTES;
        }

        /** The tail behind inode and xattrs, which for the kernel must not cross a block. */
        long inlineData(int length) throws CorruptImageException {
            long start = address + inodeBytes() + xattrBytes;
            image.require(start, length, "inline data");
            require(
                    start >>> SuperBlock.BLOCK_BITS == (start + length - 1) >>> SuperBlock.BLOCK_BITS,
                    0,
                    "inline data crosses a block");
            return start;
        }

        long chunkIndexes() {
            return Image.roundUp(address + inodeBytes() + xattrBytes, InodeLayout.CHUNK_INDEX_BYTES);
        }
    }
}
