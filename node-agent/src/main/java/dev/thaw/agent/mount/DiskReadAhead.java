package dev.thaw.agent.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;

/** How far the kernel reads ahead on the disk that a file lies on. */
final class DiskReadAhead {
    private static final Path BLOCK_DEVICES = Path.of("/sys/dev/block");

    private DiskReadAhead() {}

    /** In KiB; nothing where the file lies on no single disk, as on btrfs or tmpfs. */
    static OptionalInt of(Path file) {
        try {
            return of(BLOCK_DEVICES, ((Number) Files.getAttribute(file, "unix:dev")).longValue());
        } catch (IOException e) {
            return OptionalInt.empty();
        }
    }

    /**
     * A partition's directory lies in that of its disk, which has the figure.
     *
     * @param blockDevices directory of links, each named by its device's numbers
     * @param device as stat(2) tells it: see gnu_dev_major(3) and gnu_dev_minor(3)
     */
    static OptionalInt of(Path blockDevices, long device) throws IOException {
        long major = device >>> 8 & 0xfff | device >>> 32 & ~0xfffL;
        long minor = device & 0xff | device >>> 12 & ~0xffL;
        var link = blockDevices.resolve(major + ":" + minor);
        if (!Files.exists(link)) {
            return OptionalInt.empty();
        }
        var own = link.toRealPath();
        for (var disk : new Path[] {own, own.resolve("..")}) {
            var figure = disk.resolve("queue").resolve("read_ahead_kb");
            if (Files.exists(figure)) {
                return OptionalInt.of(Integer.parseInt(Files.readString(figure).strip()));
            }
        }
        return OptionalInt.empty();
    }
}
