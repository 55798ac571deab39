package dev.thaw.agent.mount;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.thaw.rafs.Inode;
import java.lang.foreign.MemorySegment;

/**
 * {@code struct stat} of 64-bit Linux, which differs between architectures.
 * <pre>
 *          dev ino mode nlink uid gid rdev size blksize blocks atim mtim ctim  bytes
 * x86-64     0   8   24    16  28  32   40   48      56     64   72   88  104    144    nlink and blksize 8 bytes
 * arm64      0   8   16    20  24  28   32   48      56     64   72   88  104    128    nlink and blksize 4 bytes
 * </pre>
 */
enum StatLayout {
    X86_64(24, 16, 8, 28, 32, 40, 144),
    ARM64(16, 20, 4, 24, 28, 32, 128);

    private static final int INO = 8;
    private static final int SIZE = 48;
    private static final int BLOCK_SIZE = 56;
    private static final int BLOCKS = 64;
    private static final int[] TIMES = {72, 88, 104};

    private final int mode;
    private final int nlink;
    private final int nlinkBytes;
    private final int uid;
    private final int gid;
    private final int rdev;
    private final int bytes;

    StatLayout(int mode, int nlink, int nlinkBytes, int uid, int gid, int rdev, int bytes) {
        this.mode = mode;
        this.nlink = nlink;
        this.nlinkBytes = nlinkBytes;
        this.uid = uid;
        this.gid = gid;
        this.rdev = rdev;
        this.bytes = bytes;
    }

    /** That of this machine. */
    static StatLayout here() {
        return System.getProperty("os.arch").equals("aarch64") ? ARM64 : X86_64;
    }

    int bytes() {
        return bytes;
    }

    /** Writes all that is known; the number of the inode is its nid, as EROFS has it. */
    void write(MemorySegment stat, Inode inode) {
        stat.asSlice(0, bytes).fill((byte) 0);
        stat.set(JAVA_LONG, INO, inode.nid());
        stat.set(JAVA_INT, mode, inode.mode());
        if (nlinkBytes == 8) {
            stat.set(JAVA_LONG, nlink, inode.nlink());
        } else {
            stat.set(JAVA_INT, nlink, inode.nlink());
        }
        stat.set(JAVA_INT, uid, inode.uid());
        stat.set(JAVA_INT, gid, inode.gid());
        stat.set(JAVA_LONG, rdev, Integer.toUnsignedLong(inode.rdev()));
        stat.set(JAVA_LONG, SIZE, inode.sizeBytes());
        stat.set(JAVA_INT, BLOCK_SIZE, 4096);
        stat.set(JAVA_LONG, BLOCKS, (inode.sizeBytes() + 511) / 512);
        for (int time : TIMES) {
            stat.set(JAVA_LONG, time, inode.mtimeSeconds());
            stat.set(JAVA_LONG, time + 8, inode.mtimeNanos());
        }
    }

    /** Writes number and type only, which is all that a directory listing uses. */
    void writeEntry(MemorySegment stat, long nid, int type) {
        stat.asSlice(0, bytes).fill((byte) 0);
        stat.set(JAVA_LONG, INO, nid);
        stat.set(JAVA_INT, mode, type);
    }
}
