package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Trees as this machine's kernel shows them. */
final class MountedErofs {
    private static final int ENODEV = 19;
    private static final int ENOTBLK = 15;

    private MountedErofs() {}

    /** Ends the test with the reason where the kernel or the user cannot mount EROFS from files. */
    static void require(Path emptyDirectory) throws Exception {
        assumeTrue(Linux.isRoot(), "mounting needs root");
        var layer = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("probe", "")));
        var merged = BootstrapMerger.merge(List.of(layer.toMerge()), emptyDirectory.resolve("boot"));
        var target = Files.createDirectory(emptyDirectory.resolve("mnt")).toString();
        try {
            Linux.mountErofs(merged.file().toString(), List.of(), target);
            Linux.unmount(target);
        } catch (Linux.CallFailed e) {
            if (e.errno() == ENODEV || e.errno() == ENOTBLK) {
                abort("this kernel does not mount EROFS from files (CONFIG_EROFS_FS_BACKED_BY_FILE): "
                        + e.getMessage());
            }
            throw e;
        }
    }

    /** @param devices the blobs' uncompressed contents in the bootstrap's order, or none for one flat file */
    static Map<String, Seen> tree(Path bootstrap, List<String> devices, Path mountPoint) throws IOException {
        Linux.mountErofs(bootstrap.toString(), devices, mountPoint.toString());
        try {
            return Linux.tree(mountPoint.toString());
        } finally {
            Linux.unmount(mountPoint.toString());
        }
    }

    /** Compares file by file, for a difference between whole maps is too long to be read. */
    static void assertSame(Map<String, Seen> actual, Map<String, Seen> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((path, seen) -> assertThat(actual.get(path)).as(path).isEqualTo(seen));
    }
}
