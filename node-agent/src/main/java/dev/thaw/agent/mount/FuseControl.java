package dev.thaw.agent.mount;

import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.MountTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** The kernel's control files of FUSE connections. */
final class FuseControl {
    private static final Path CONNECTIONS = Path.of("/sys/fs/fuse/connections");

    private FuseControl() {}

    /**
     * Ends a connection: whoever waits for an answer gets an error now. Before an unmount this is a must, since unmounting
     * waits, where no signal reaches, for answers that may never come.
     */
    static void abort(MountTable.Mount mount) throws IOException {
        if (MountTable.read().at(CONNECTIONS).isEmpty()) {
            Libc.mount("fusectl", CONNECTIONS, "fusectl", 0, "");
        }
        var control = CONNECTIONS.resolve(Integer.toString(mount.minor())).resolve("abort");
        if (Files.exists(control)) {
            Files.writeString(control, "1", StandardOpenOption.WRITE);
        }
    }
}
