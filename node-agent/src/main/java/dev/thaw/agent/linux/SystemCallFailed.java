package dev.thaw.agent.linux;

import java.io.IOException;

/** A system call said no. */
public final class SystemCallFailed extends IOException {
    private final int errno;

    /**
     * @param call the call and what it was applied to, as in {@code open /dev/fuse}
     * @param errno what it set, positive
     */
    public SystemCallFailed(String call, int errno) {
        super(call + ": " + Errno.name(errno));
        this.errno = errno;
    }

    public int errno() {
        return errno;
    }

    /** Whether the disk, or the quota on it, is full. */
    public boolean isDiskFull() {
        return errno == Errno.ENOSPC || errno == Errno.EDQUOT;
    }
}
