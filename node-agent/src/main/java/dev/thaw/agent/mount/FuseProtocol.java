package dev.thaw.agent.mount;

/**
 * Numbers of the FUSE kernel protocol (linux/fuse.h, protocol 7.x), as far as a read-only flat file system needs them.
 * <pre>
 * request   0 len u32   4 opcode u32   8 unique u64   16 nodeid u64   24 uid  28 gid  32 pid  36 …   (40 bytes), arguments
 * reply     0 len u32   4 −errno i32   8 unique u64                                                  (16 bytes), result
 * </pre>
 */
final class FuseProtocol {
    static final int REQUEST_HEADER = 40;
    static final int REPLY_HEADER = 16;
    static final long ROOT_NODE = 1;

    static final int LOOKUP = 1;
    static final int FORGET = 2;
    static final int GETATTR = 3;
    static final int OPEN = 14;
    static final int READ = 15;
    static final int STATFS = 17;
    static final int RELEASE = 18;
    static final int FLUSH = 25;
    static final int INIT = 26;
    static final int OPENDIR = 27;
    static final int READDIR = 28;
    static final int RELEASEDIR = 29;
    static final int INTERRUPT = 36;
    static final int DESTROY = 38;
    static final int BATCH_FORGET = 42;

    static final long INIT_ASYNC_READ = 1;
    static final long INIT_ASYNC_DIO = 1 << 15;
    static final long INIT_PARALLEL_DIROPS = 1 << 18;
    static final long INIT_MAX_PAGES = 1 << 22;
    static final long INIT_EXT = 1 << 30;
    /** The kernel gives requests again that were read and not answered, when asked by {@link #NOTIFY_RESEND} (since 6.9). */
    static final long INIT_HAS_RESEND = 1L << 39;

    static final int OPEN_KEEP_CACHE = 1 << 1;
    static final int OPEN_NO_FLUSH = 1 << 5;

    static final int NOTIFY_RESEND = 7;

    static final int ATTRIBUTE_BYTES = 88;
    static final int ENTRY_BYTES = 40 + ATTRIBUTE_BYTES;
    static final int ATTRIBUTE_REPLY_BYTES = 16 + ATTRIBUTE_BYTES;
    static final int OPEN_BYTES = 16;
    static final int STATFS_BYTES = 80;
    static final int INIT_BYTES = 64;
    static final int DIRENT_HEADER = 24;

    static final int PAGE_BYTES = 4096;
    /** The kernel's default ceiling (fs.fuse.max_pages_limit). */
    static final int MAX_PAGES = 256;

    static final int MAX_READ_BYTES = MAX_PAGES * PAGE_BYTES;

    private FuseProtocol() {}
}
