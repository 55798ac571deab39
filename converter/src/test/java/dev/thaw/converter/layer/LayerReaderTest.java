package dev.thaw.converter.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.converter.layer.LayerItem.Kind;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.TarFile;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The rules are those of containerd's {@code pkg/archive}. */
class LayerReaderTest {
    private static List<LayerItem> read(TarFile tar) throws IOException {
        var reader = new LayerReader(new ByteArrayInputStream(tar.bytes()));
        var items = new ArrayList<LayerItem>();
        for (var item = reader.next(); item != null; item = reader.next()) {
            items.add(item);
        }
        return items;
    }

    private static List<String> paths(TarFile tar) throws IOException {
        return read(tar).stream()
                .filter(item -> !item.isImplied())
                .map(LayerItem::path)
                .toList();
    }

    private static void assertFails(TarFile tar, FailureReason reason, String message) {
        assertThatThrownBy(() -> read(tar))
                .isInstanceOfSatisfying(
                        ConversionException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContaining(message);
    }

    @Test
    void keepsEveryPathInsideTheRoot() throws IOException {
        assertThat(paths(new TarFile()
                        .file("./a//b/./c", "")
                        .file("/absolute", "")
                        .file("../../escape", "")
                        .file("x/../../../y", "")
                        .directory("d/")))
                .containsExactly("a/b/c", "absolute", "escape", "y", "d");
    }

    @Test
    void ignoresTheRootItself() throws IOException {
        assertThat(read(new TarFile()
                        .directory("./", 0700)
                        .directory("/")
                        .directory("..")
                        .directory("a/..")))
                .isEmpty();
    }

    @Test
    void makesMissingParents() throws IOException {
        var items = read(new TarFile().file("a/b/c", ""));

        assertThat(items.stream().map(LayerItem::path)).containsExactly("a", "a/b", "a/b/c");
        assertThat(items.stream().map(LayerItem::isImplied)).containsExactly(true, true, false);
        assertThat(items.getFirst().attributes().mode()).isEqualTo(0755);
    }

    @Test
    void followsSymlinksOfTheLayerInParentsButNotInTheLastPart() throws IOException {
        assertThat(paths(new TarFile()
                        .directory("usr/lib")
                        .symlink("lib", "usr/lib")
                        .file("lib/x", "")
                        .symlink("out", "/../../etc")
                        .file("out/passwd", "")
                        .symlink("back", "usr/../usr/./lib")
                        .file("back/y", "")
                        .symlink("lib", "elsewhere")))
                .containsExactly("usr/lib", "lib", "usr/lib/x", "out", "etc/passwd", "back", "usr/lib/y", "lib");
    }

    @Test
    void refusesALoopOfSymlinks() {
        assertFails(
                new TarFile().symlink("a", "b").symlink("b", "a").file("a/x", ""), FailureReason.UnsafeLayer, "loop");
    }

    @Test
    void refusesAPathThroughAFile() {
        assertFails(new TarFile().file("a", "").file("a/b", ""), FailureReason.UnsafeLayer, "is not a directory");
    }

    @Test
    void resolvesHardLinks() throws IOException {
        var items = read(new TarFile()
                .directory("d")
                .file("d/a", "")
                .symlink("s", "d")
                .hardLink("b", "/s/a")
                .hardLink("c", "b"));

        assertThat(items.get(3).kind()).isEqualTo(Kind.HARD_LINK);
        assertThat(items.get(3).linkTarget()).isEqualTo("d/a");
        assertThat(items.get(4).linkTarget()).isEqualTo("b");
    }

    @Test
    void aHardLinkToASymlinkOrDeviceIsACopyOfIt() throws IOException {
        var items = read(new TarFile()
                .symlink("s", "target")
                .hardLink("t", "s")
                .device("null", '3', 1, 3)
                .hardLink("n", "null"));

        assertThat(items.get(1).kind()).isEqualTo(Kind.SYMLINK);
        assertThat(items.get(1).linkTarget()).isEqualTo("target");
        assertThat(items.get(3).kind()).isEqualTo(Kind.CHARACTER_DEVICE);
        assertThat(items.get(3).devMinor()).isEqualTo(3);
    }

    @Test
    void refusesHardLinksWithoutATarget() {
        assertFails(new TarFile().hardLink("a", "missing"), FailureReason.CorruptLayer, "points to missing");
        assertFails(new TarFile().file("a", "").hardLink("a", "a"), FailureReason.CorruptLayer, "points to a");
        assertFails(new TarFile().directory("d").hardLink("a", "d"), FailureReason.UnsafeLayer, "directory");
        assertFails(
                new TarFile().directory("d").file("d/x", "").hardLink("d", "d/x"),
                FailureReason.CorruptLayer,
                "points to d/x");
    }

    @Test
    void tellsWhiteoutsFromFiles() throws IOException {
        var items = read(
                new TarFile().file("a/.wh.b", "").file("a/.wh..wh..opq", "").file(".wh..wh.plnk", ""));

        assertThat(items.stream().filter(item -> !item.isImplied()).map(LayerItem::kind))
                .containsExactly(Kind.WHITEOUT, Kind.OPAQUE, Kind.WHITEOUT);
    }

    @Test
    void refusesWhiteoutsOfNothing() {
        for (var name : List.of(".wh.", ".wh..", ".wh...", "d/.wh...")) {
            assertFails(new TarFile().file(name, ""), FailureReason.UnsafeLayer, "whiteout");
        }
    }

    @Test
    void dropsAttributesThatContainerdDrops() throws IOException {
        var items = read(new TarFile()
                .pax("SCHILY.xattr.trusted.overlay.opaque", "y")
                .pax("SCHILY.xattr.user.kept", "1")
                .pax("SCHILY.xattr.com.apple.quarantine", "1")
                .pax("SCHILY.xattr.system.posix_acl_default", "acl")
                .directory("d")
                .pax("SCHILY.xattr.user.dropped", "1")
                .pax("SCHILY.xattr.security.selinux", "label")
                .symlink("s", "d"));

        assertThat(items.get(0).attributes().xattrs().keySet())
                .containsExactly("system.posix_acl_default", "user.kept");
        assertThat(items.get(1).attributes().xattrs().keySet()).containsExactly("security.selinux");
    }

    @Test
    void boundsTimesAsContainerdDoes() throws IOException {
        var items = read(new TarFile()
                .pax("mtime", "-5.5")
                .file("before", "")
                .pax("mtime", "99999999999999.5")
                .file("beyond", "")
                .pax("mtime", "4102444800.5")
                .file("later", ""));

        assertThat(items.get(0).attributes().mtimeSeconds()).isZero();
        assertThat(items.get(0).attributes().mtimeNanos()).isZero();
        assertThat(items.get(1).attributes().mtimeSeconds()).isZero();
        assertThat(items.get(2).attributes().mtimeSeconds()).isEqualTo(4_102_444_800L);
    }

    @Test
    void refusesWhatLinuxCannotHold() {
        assertFails(
                new TarFile()
                        .file("x".repeat(50) + "/" + "n".repeat(40), "")
                        .pax("path", "n".repeat(256))
                        .file("x", ""),
                FailureReason.UnsafeLayer,
                "more than 255 bytes");
        assertFails(
                new TarFile().pax("path", "d/".repeat(2100) + "x").file("x", ""),
                FailureReason.UnsafeLayer,
                "more than 4095 bytes");
        assertFails(new TarFile().symlink("s", ""), FailureReason.UnsafeLayer, "symbolic link's target");
        assertFails(new TarFile().owner(-1, 0).file("a", ""), FailureReason.UnsafeLayer, "user id");
        assertFails(
                new TarFile().pax("SCHILY.xattr.user.a", new byte[70_000]).file("a", ""),
                FailureReason.UnsafeLayer,
                "too long");
        assertFails(new TarFile().device("d", '3', 5000, 1), FailureReason.UnsafeLayer, "5000:1");
    }

    @Test
    void lastOfSeveralEntriesOfOneNameCounts() throws IOException {
        var items = read(new TarFile()
                .directory("a")
                .file("a/x", "")
                .file("a", "now a file")
                .directory("a")
                .file("a/y", ""));

        assertThat(items.stream().map(LayerItem::path)).containsExactly("a", "a/x", "a", "a", "a/y");
        assertThat(items.stream().noneMatch(LayerItem::isImplied)).isTrue();
    }
}
