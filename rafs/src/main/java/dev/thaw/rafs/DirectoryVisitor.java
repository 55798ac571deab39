package dev.thaw.rafs;

/** Is shown the entries of a directory in the order of their names' unsigned bytes, {@code .} and {@code ..} among them. */
@FunctionalInterface
public interface DirectoryVisitor {
    /**
     * Is shown one entry.
     *
     * @param name the entry's own array, free to be kept
     * @param nid the entry's inode
     * @param fileType 1 regular, 2 directory, 3 character device, 4 block device, 5 fifo, 6 socket, 7 symlink
     * @return false to see no more
     */
    boolean entry(byte[] name, long nid, int fileType) throws CorruptImageException;
}
