package dev.thaw.rafs;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Walks everything in a bootstrap once and holds it against the rules of the format, those that nydus checks and more: names,
 * their order, loops, every attribute, every chunk against the chunk table, and that the kernel sees the same bytes as nydus and
 * we do. Time and memory are bounded by the length of the bootstrap, whatever it holds.
 */
public final class BootstrapChecker {
    private BootstrapChecker() {}

    /** Returns if everything is as it should be. */
    public static void check(Bootstrap bootstrap) throws CorruptImageException {
        new Walk(bootstrap).run();
    }

    private record Step(long nid, long parent) {}

    private static final class Walk {
        private final Bootstrap bootstrap;
        private final Image image;
        private final List<ChunkTable> tables;
        private final BitSet seen = new BitSet();
        private final ArrayDeque<Step> directories = new ArrayDeque<>();
        /** Bytes of directories, xattrs and chunk indexes; they lie apart in an honest image, so together they fit into it. */
        private long budget;

        Walk(Bootstrap bootstrap) throws CorruptImageException {
            this.bootstrap = bootstrap;
            this.image = bootstrap.image();
            this.budget = image.size();
            if (bootstrap.chunkRecords().count() == 0 && !bootstrap.blobs().isEmpty()) {
                throw image.corrupt(-1, "bootstrap with blobs has no chunk table");
            }
            this.tables = ChunkTable.fromBootstrap(bootstrap);
        }

        void run() throws CorruptImageException {
            long root = bootstrap.rootNid();
            enter(bootstrap.inode(root), root);
            while (!directories.isEmpty()) {
                var step = directories.pop();
                bootstrap.list(step.nid, new Entries(step));
            }
            checkPrefetchTable();
        }

        /** Who fetches ahead walks down from these inodes, so none may be that nobody has checked. */
        private void checkPrefetchTable() throws CorruptImageException {
            for (long nid : bootstrap.prefetchNids()) {
                if (nid > Integer.MAX_VALUE || !seen.get((int) nid)) {
                    throw image.corrupt(
                            bootstrap.rafs().prefetchOffset(),
                            "prefetch table names inode " + nid + ", which no directory holds");
                }
            }
        }

        private void enter(Inode inode, long parent) throws CorruptImageException {
            long nid = inode.nid();
            if (!markSeen(nid)) {
                throw image.corrupt(bootstrap.address(nid), "directory is reached twice");
            }
            if (!inode.isDirectory()) {
                throw image.corrupt(bootstrap.address(nid), "inode is not a directory");
            }
            checkXattrs(inode);
            spend(inode.sizeBytes(), nid);
            if (bootstrap.lookup(nid, new byte[] {'.'}).orElse(-1) != nid
                    || bootstrap.lookup(nid, new byte[] {'.', '.'}).orElse(-1) != parent) {
                throw image.corrupt(bootstrap.address(nid), "directory's . or .. is missing or wrong");
            }
            directories.push(new Step(nid, parent));
        }

        /** @param nid of an inode that there is */
        private boolean markSeen(long nid) throws CorruptImageException {
            if (nid > Integer.MAX_VALUE) {
                throw image.corrupt(-1, "inode number " + nid + " is beyond what is checked");
            }
            if (seen.get((int) nid)) {
                return false;
            }
            seen.set((int) nid);
            return true;
        }

        private void checkFile(Inode inode) throws CorruptImageException {
            checkXattrs(inode);
            switch (inode.type()) {
                case Inode.TYPE_REGULAR -> checkChunks(inode);
                case Inode.TYPE_SYMLINK -> bootstrap.symlinkTarget(inode.nid());
                default -> {
                    // Special files have nothing more.
                }
            }
        }

        private void checkXattrs(Inode inode) throws CorruptImageException {
            if (inode.hasXattrs()) {
                for (var xattr : bootstrap.xattrs(inode.nid())) {
                    spend(xattr.name().length + xattr.value().length, inode.nid());
                }
            }
        }

        private void checkChunks(Inode inode) throws CorruptImageException {
            var indexes = bootstrap.chunkIndexes(inode.nid());
            int count = indexes.count();
            spend((long) count * InodeLayout.CHUNK_INDEX_BYTES, inode.nid());
            FileChunk previous = null;
            boolean consecutive = true;
            for (int i = 0; i < count; i++) {
                var chunk = indexes.at(i);
                if (!tables.get(chunk.blobIndex()).has(chunk.chunkIndex(), chunk.deviceOffset(), chunk.lengthBytes())) {
                    throw image.corrupt(
                            indexes.address(), "chunk " + i + " of the file is not as the chunk table has it");
                }
                consecutive &= previous == null
                        || (previous.blobIndex() == chunk.blobIndex()
                                && previous.deviceOffset() + bootstrap.chunkSizeBytes() == chunk.deviceOffset());
                previous = chunk;
            }
            checkKernelView(inode, indexes, consecutive);
        }

        /** The kernel cuts a file by the inode's own chunk length; with another than ours it must come to the same blocks. */
        private void checkKernelView(Inode inode, Bootstrap.ChunkIndexes indexes, boolean consecutive)
                throws CorruptImageException {
            int format = indexes.format();
            int bits = (format & InodeLayout.CHUNK_BITS_MASK) + SuperBlock.BLOCK_BITS;
            boolean known = (format & ~InodeLayout.CHUNK_BITS_MASK) == InodeLayout.CHUNK_INDEXES;
            boolean same = 1L << bits == bootstrap.chunkSizeBytes();
            boolean single = consecutive && 1L << bits >= inode.sizeBytes();
            if (!known || (!same && !single)) {
                throw image.corrupt(
                        indexes.address() + InodeLayout.DATA,
                        "chunk format 0x%x makes the kernel read other data".formatted(format));
            }
        }

        private void spend(long bytes, long nid) throws CorruptImageException {
            budget -= bytes;
            if (budget < 0) {
                throw image.corrupt(
                        bootstrap.address(nid), "inodes share their data: more of it than the image is long");
            }
        }

        /** Looks at the entries of one directory. */
        private final class Entries implements DirectoryVisitor {
            private final Step directory;
            private byte @Nullable [] previous;

            Entries(Step directory) {
                this.directory = directory;
            }

            @Override
            public boolean entry(byte[] name, long nid, int fileType) throws CorruptImageException {
                checkName(name);
                if (isDots(name)) {
                    return true;
                }
                var inode = bootstrap.inode(nid);
                if (DirectoryBlocks.fileType(inode.mode()) != fileType) {
                    throw image.corrupt(bootstrap.address(nid), "inode's type is not that of its directory entry");
                }
                if (inode.isDirectory()) {
                    enter(inode, directory.nid);
                } else if (markSeen(nid)) {
                    checkFile(inode);
                }
                return true;
            }

            private void checkName(byte[] name) throws CorruptImageException {
                for (byte b : name) {
                    if (b == '/' || b == 0) {
                        throw image.corrupt(bootstrap.address(directory.nid), "name holds a slash or a NUL byte");
                    }
                }
                if (previous != null && Arrays.compareUnsigned(previous, name) >= 0) {
                    throw image.corrupt(bootstrap.address(directory.nid), "directory is not sorted");
                }
                previous = name;
            }
        }

        private static boolean isDots(byte[] name) {
            return name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
        }
    }
}
