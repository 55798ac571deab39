package dev.thaw.rafs;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One file of a tree that will become a bootstrap. Names are in the parent, so a file with two names is one node in two places.
 * About 200 bytes, plus the name.
 */
final class TreeNode {
    private static final Comparator<byte[]> UNSIGNED = Arrays::compareUnsigned;
    private static final byte[] NO_TARGET = {};

    private Attributes attributes;
    private boolean implied;
    private final @Nullable NavigableMap<byte[], TreeNode> children;
    private final byte[] symlinkTarget;
    private long sizeBytes;
    private FileChunks chunks = FileChunks.NONE;

    private @Nullable TreeNode parent;

    /** Set while the tree is laid out: the nid is 0 until the node has its place. */
    long nid;

    int nlink;
    /** Whether the end of the data lies behind the inode. */
    boolean isInline;
    /** First of the blocks that do not, counted from the first block of data; -1 if there are none. */
    long dataBlock = -1;

    /**
     * What stat(2) tells, apart from what follows from the tree.
     *
     * @param mode with type bits
     * @param xattrs as {@link XattrArea#storable} returns them
     */
    record Attributes(int mode, int uid, int gid, long mtimeSeconds, int mtimeNanos, int rdev, List<Xattr> xattrs) {
        /** Of a directory that a layer uses but does not contain. */
        static final Attributes IMPLIED_DIRECTORY =
                new Attributes(Inode.TYPE_DIRECTORY | 0755, 0, 0, 0, 0, 0, List.of());
    }

    private TreeNode(Attributes attributes, boolean implied, byte[] symlinkTarget) {
        this.attributes = attributes;
        this.implied = implied;
        this.symlinkTarget = symlinkTarget;
        this.children = isDirectory() ? new TreeMap<>(UNSIGNED) : null;
    }

    static TreeNode impliedDirectory() {
        return new TreeNode(Attributes.IMPLIED_DIRECTORY, true, NO_TARGET);
    }

    /** A directory, a regular file that is still empty, or a special file. */
    static TreeNode of(Attributes attributes) {
        return new TreeNode(attributes, false, NO_TARGET);
    }

    static TreeNode symlink(Attributes attributes, byte[] target) {
        return new TreeNode(attributes, false, target);
    }

    /** The same special file once more, for its second name. */
    TreeNode twin() {
        return new TreeNode(attributes, false, symlinkTarget);
    }

    Attributes attributes() {
        return attributes;
    }

    /** Gives a directory its own attributes; it is not implied any more. */
    void setAttributes(Attributes attributes) {
        this.attributes = attributes;
        this.implied = false;
    }

    boolean isImplied() {
        return implied;
    }

    int type() {
        return attributes.mode & Inode.TYPE_MASK;
    }

    boolean isDirectory() {
        return type() == Inode.TYPE_DIRECTORY;
    }

    boolean isRegular() {
        return type() == Inode.TYPE_REGULAR;
    }

    boolean isSymlink() {
        return type() == Inode.TYPE_SYMLINK;
    }

    NavigableMap<byte[], TreeNode> children() {
        if (children == null) {
            throw new IllegalStateException("not a directory");
        }
        return children;
    }

    /** The directory above, the root's being itself; known once the tree is laid out. */
    TreeNode parent() {
        return parent == null ? this : parent;
    }

    void setParent(TreeNode directory) {
        parent = directory;
    }

    byte[] symlinkTarget() {
        return symlinkTarget;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    FileChunks chunks() {
        return chunks;
    }

    /** Length of the content, or of what stands for it. */
    void setSizeBytes(long size) {
        this.sizeBytes = size;
    }

    void setContent(long size, FileChunks content) {
        this.sizeBytes = size;
        this.chunks = content;
    }
}
