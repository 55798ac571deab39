package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.Document;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapChecker;
import dev.thaw.rafs.ExpectedTree;
import dev.thaw.rafs.Item;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerEntry.Kind;
import dev.thaw.rafs.RandomLayers;
import dev.thaw.rafs.Seen;
import dev.thaw.rafs.SeenTree;
import dev.thaw.rafs.Xattr;
import java.io.ByteArrayInputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.io.TempDir;

/** Whatever tree: as tars of an image, converted, published, and read from the registry, it is the same tree. */
class RandomTreesTest {
    private static final String REPOSITORY = "team/app";
    private static final int TAR_BLOCK = 512;

    @TempDir
    private Path work;

    @RepeatedTest(12)
    void comeOutAsTheyWentIn(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        int chunkBytes = Conversions.SMALL_CHUNKS.chunkSizeBytes();
        var layers = new ArrayList<List<Item>>();
        layers.add(asUnpacked(RandomLayers.layer(random, chunkBytes)));
        for (int i = random.nextInt(3); i >= 0; i--) {
            layers.add(asUnpacked(RandomLayers.upperLayer(random, chunkBytes)));
        }
        try (var registry = FakeRegistry.start();
                var conversions = new Conversions(registry, work)) {
            var stored =
                    layers.stream().map(items -> SourceFixture.gzip(tar(items))).toList();
            SourceFixture.addImage(registry, REPOSITORY, "1.0", stored);
            var result = conversions.run(registry.repository(REPOSITORY).withTag("1.0"));

            var seen = read(registry, result.tag());
            var expected = ExpectedTree.ofImage(layers);
            assertThat(seen.keySet()).isEqualTo(expected.keySet());
            expected.forEach((path, file) -> assertThat(seen.get(path)).as(path).isEqualTo(file));
        }
    }

    private static Map<String, Seen> read(FakeRegistry registry, String tag) throws Exception {
        var index =
                (ImageIndex) Document.parse(registry.manifest(REPOSITORY, tag).orElseThrow(), MediaTypes.OCI_INDEX);
        var artifact = (ImageManifest) Document.parse(
                registry.manifest(
                                REPOSITORY, index.manifests().getLast().digest().toString())
                        .orElseThrow(),
                null);
        byte[] layer =
                registry.blob(REPOSITORY, artifact.layers().getLast().digest()).orElseThrow();
        byte[] tar;
        try (var gzip = new GZIPInputStream(new ByteArrayInputStream(layer))) {
            tar = gzip.readAllBytes();
        }
        // The directory's header, the file's header, the file.
        int size = Integer.parseInt(new String(tar, TAR_BLOCK + 124, 11, StandardCharsets.US_ASCII), 8);
        var image = MemorySegment.ofArray(tar).asSlice(2 * TAR_BLOCK, size);
        try (var bootstrap = Bootstrap.of(image, "published")) {
            BootstrapChecker.check(bootstrap);
            var blobs = new ArrayList<byte[]>();
            for (var blob : bootstrap.blobs()) {
                blobs.add(registry.blob(REPOSITORY, new dev.thaw.oci.Digest("sha256", blob.id()))
                        .orElseThrow());
            }
            return SeenTree.of(bootstrap, blobs);
        }
    }

    /** Without what containerd drops when it unpacks a layer, and what a tar cannot hold. */
    private static List<Item> asUnpacked(List<Item> items) {
        return items.stream()
                .filter(item -> !item.path().isEmpty())
                .map(RandomTreesTest::asUnpacked)
                .toList();
    }

    private static Item asUnpacked(Item item) {
        var e = item.entry();
        boolean plain = e.kind() == Kind.FILE || e.kind() == Kind.DIRECTORY;
        boolean whiteout = ("/" + item.path()).contains("/.wh.");
        boolean time = e.mtimeSeconds() >= 0 && !whiteout;
        var xattrs = e.xattrs().stream()
                .filter(x -> plain && x.text().startsWith("user."))
                .toList();
        return new Item(
                new LayerEntry(
                        e.path(),
                        e.kind() == Kind.SOCKET ? Kind.FIFO : e.kind(),
                        e.kind() == Kind.SYMLINK ? 0777 : e.mode(),
                        e.uid() == -1 ? 0 : e.uid(),
                        e.gid() == -1 ? 0 : e.gid(),
                        time ? e.mtimeSeconds() : 0,
                        time ? e.mtimeNanos() : 0,
                        e.sizeBytes(),
                        e.linkTarget(),
                        e.devMajor(),
                        e.devMinor(),
                        xattrs),
                item.content());
    }

    private static byte[] tar(List<Item> items) {
        var tar = new TarFile();
        for (var item : items) {
            var e = item.entry();
            tar.mode(e.mode()).owner(Integer.toUnsignedLong(e.uid()), Integer.toUnsignedLong(e.gid()));
            tar.pax("mtime", "%d.%09d".formatted(e.mtimeSeconds(), e.mtimeNanos()));
            String name = item.path();
            if (name.length() > 100) {
                tar.pax("path", Item.bytes(name));
            }
            String target = new String(e.linkTarget(), StandardCharsets.ISO_8859_1);
            if (target.length() > 100) {
                tar.pax("linkpath", Item.bytes(target));
            }
            for (Xattr xattr : e.xattrs()) {
                tar.pax("SCHILY.xattr." + xattr.text(), xattr.value());
            }
            char type = switch (e.kind()) {
                case FILE -> '0';
                case HARD_LINK -> '1';
                case SYMLINK -> '2';
                case CHARACTER_DEVICE -> '3';
                case BLOCK_DEVICE -> '4';
                case DIRECTORY -> '5';
                case FIFO -> '6';
                case SOCKET -> throw new IllegalStateException("a tar holds no sockets");
            };
            tar.entry(name, type, Objects.requireNonNull(target), item.content(), e.devMajor(), e.devMinor());
        }
        return tar.bytes();
    }
}
