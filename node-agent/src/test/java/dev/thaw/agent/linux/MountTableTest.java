package dev.thaw.agent.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

final class MountTableTest {
    private static final String TEXT = """
            22 27 0:21 / /proc rw,relatime - proc proc rw
            30 27 0:40 / /var/lib/thaw/devices ro,nosuid shared:7 master:2 - fuse.thaw thaw ro,user_id=0
            31 27 0:41 / /var/lib/thaw/mounts/a\\040b ro - erofs /var/lib/thaw/images/a\\040b/image.boot ro
            32 31 0:42 / /var/lib/thaw/mounts/a\\040b ro - erofs other ro
            """;

    private final MountTable table = MountTable.parse(TEXT);

    @Test
    void readsPointTypeSourceAndConnection() {
        var mount = table.at(Path.of("/var/lib/thaw/devices")).orElseThrow();

        assertThat(mount)
                .isEqualTo(new MountTable.Mount(
                        "0:40", Path.of("/var/lib/thaw/devices"), "fuse.thaw", "thaw", "ro,user_id=0"));
        assertThat(mount.minor()).isEqualTo(40);
    }

    @Test
    void theNewestOfStackedMountsIsTheOneThatIsSeen() {
        assertThat(table.at(Path.of("/var/lib/thaw/mounts/a b")).orElseThrow().source())
                .isEqualTo("other");
    }

    @Test
    void findsWhatAnOverlayStandsOn() {
        var overlays = MountTable.parse("""
                40 27 0:50 / /run/one rw - overlay overlay rw,lowerdir=/l/1:/var/lib/thaw/mounts/a,upperdir=/u,workdir=/w
                41 27 0:51 / /run/two rw - overlay overlay rw,lowerdir=snapshots/9/fs:mounts/a,upperdir=/u,workdir=/w
                42 27 0:52 / /run/three rw - overlay overlay rw,lowerdir+=/l/1,lowerdir+=/var/lib/thaw/mounts/a,upperdir=/u
                43 27 0:53 / /run/four rw - overlay overlay rw,lowerdir=/var/lib/thaw/detached/a,upperdir=/mounts/a,workdir=/w
                44 27 0:54 / /run/five ro - erofs lowerdir=/var/lib/thaw/mounts/a ro
                """);

        assertThat(overlays.mounts().stream()
                        .filter(mount -> mount.standsOn(Path.of("/var/lib/thaw/mounts/a")))
                        .map(mount -> mount.point().toString()))
                .containsExactly("/run/one", "/run/two", "/run/three");
    }

    @Test
    void listsWhatLiesBelowNewestFirst() {
        assertThat(table.below(Path.of("/var/lib/thaw/mounts")).stream().map(MountTable.Mount::device))
                .containsExactly("0:42", "0:41");
        assertThat(table.below(Path.of("/var/lib/tha"))).isEmpty();
    }
}
