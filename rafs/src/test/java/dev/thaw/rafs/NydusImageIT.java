package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Images that nydus-image makes of our corpus, which the kernel shows it as a directory, and what our reader makes of them. */
@EnabledIfSystemProperty(
        named = Peers.PROPERTY,
        matches = ".+",
        disabledReason = "the peers' tools are an opt-in: ./mvnw -Ppeers -pl rafs -am verify")
class NydusImageIT {
    private static final int CHUNK = 64 << 10;
    private static final List<Item> LOWER = Corpus.withoutAcls(Corpus.lower(CHUNK));
    private static final List<Item> UPPER = Corpus.upper(CHUNK);

    @TempDir
    static Path temp;

    private static Path lower;
    private static Path upper;

    @TempDir
    Path directory;

    @BeforeAll
    static void mountTheCorpus() throws Exception {
        MountedErofs.require(Files.createDirectory(temp.resolve("probe")));
        Peers.require("nydus-image");
        lower = mount("lower", LOWER);
        upper = mount("upper", UPPER);
    }

    private static Path mount(String name, List<Item> items) throws Exception {
        var built = Built.of(new LayerOptions(CHUNK, Codec.NONE, DigestAlgorithm.SHA256, 3), items);
        var bootstrap = temp.resolve(name + ".boot");
        Files.write(
                bootstrap,
                built.sections()
                        .decode(built.sections().entry(BlobSections.BOOTSTRAP), built.stored(BlobSections.BOOTSTRAP)));
        var device = temp.resolve(name + ".device");
        DeviceFiles.write(built, device);
        var target = Files.createDirectory(temp.resolve(name));
        Linux.mountErofs(bootstrap.toString(), List.of(device.toString()), target.toString());
        return target;
    }

    @AfterAll
    static void unmount() throws IOException {
        for (var mounted : new Path[] {lower, upper}) {
            if (mounted != null) {
                Linux.unmount(mounted.toString());
            }
        }
    }

    /** What nydus-image makes of a directory: the root's time is left out. */
    private static Map<String, Seen> expected(List<Item> items) {
        var tree = new TreeMap<>(ExpectedTree.ofLayer(items));
        tree.computeIfPresent("", (path, root) -> withTime(root, 0));
        return tree;
    }

    private static Seen withTime(Seen s, long seconds) {
        return new Seen(
                s.mode(),
                s.uid(),
                s.gid(),
                seconds,
                0,
                s.nlink(),
                s.sizeBytes(),
                s.target(),
                s.rdev(),
                s.xattrs(),
                s.content(),
                s.firstName());
    }

    private static void nydusImage(String... arguments) {
        var run = Peers.run("nydus-image", List.of(arguments));
        assertThat(run.exit()).as(run.output()).isZero();
    }

    private Path create(Path source, String name, int chunk, String codec, String digest, String... more) {
        var arguments = new ArrayList<>(List.of(
                "create",
                "--whiteout-spec",
                "none",
                "--chunk-size",
                "0x" + Integer.toHexString(chunk),
                "--compressor",
                codec,
                "--digester",
                digest,
                "--bootstrap",
                directory.resolve(name).toString(),
                "--blob-dir",
                directory.toString()));
        arguments.addAll(List.of(more));
        arguments.add(source.toString());
        nydusImage(arguments.toArray(String[]::new));
        return directory.resolve(name);
    }

    /** Reads everything through our reader; the blobs are files by their ids. */
    private Map<String, Seen> read(Path file) throws Exception {
        try (var bootstrap = Bootstrap.open(file)) {
            BootstrapChecker.check(bootstrap);
            var blobs = new ArrayList<byte[]>();
            for (var blob : bootstrap.blobs()) {
                blobs.add(Files.readAllBytes(directory.resolve(blob.id())));
            }
            return SeenTree.of(bootstrap, blobs);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "4096,none,sha256",
        "4096,zstd,blake3",
        "65536,lz4_block,sha256",
        "65536,zstd,sha256",
        "65536,none,blake3",
        "1048576,lz4_block,blake3",
        "1048576,zstd,blake3",
        "16777216,zstd,sha256",
        "16777216,lz4_block,blake3"
    })
    void areReadForEveryOption(int chunk, String codec, String digest) throws Exception {
        var bootstrap = create(lower, "boot", chunk, codec, digest);

        MountedErofs.assertSame(read(bootstrap), expected(LOWER));
    }

    @Test
    void areReadWithChunksOfAnotherImage() throws Exception {
        var dictionary = create(lower, "dictionary", CHUNK, "zstd", "sha256");
        var bootstrap = create(upper, "boot", CHUNK, "zstd", "sha256", "--chunk-dict", "bootstrap=" + dictionary);

        MountedErofs.assertSame(read(bootstrap), expected(UPPER));
        try (var opened = Bootstrap.open(bootstrap);
                var known = Bootstrap.open(dictionary)) {
            assertThat(opened.blobs())
                    .extracting(BlobInfo::id)
                    .contains(known.blobs().getFirst().id());
        }
    }

    @Test
    void tellWhatToFetchAhead() throws Exception {
        var list = directory.resolve("list");
        Files.writeString(list, "/contents/several-chunks\n/links/file\n", StandardCharsets.ISO_8859_1);
        var process = new ProcessBuilder(
                        Peers.require("nydus-image"),
                        "create",
                        "--whiteout-spec",
                        "none",
                        "--chunk-size",
                        "0x10000",
                        "--prefetch-policy",
                        "fs",
                        "--bootstrap",
                        directory.resolve("boot").toString(),
                        "--blob-dir",
                        directory.toString(),
                        lower.toString())
                .redirectInput(list.toFile())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("log").toFile())
                .start();
        assertThat(process.waitFor())
                .as(Files.readString(directory.resolve("log")))
                .isZero();

        MountedErofs.assertSame(read(directory.resolve("boot")), expected(LOWER));
        try (var bootstrap = Bootstrap.open(directory.resolve("boot"))) {
            assertThat(bootstrap.prefetchNids())
                    .containsExactlyInAnyOrder(
                            bootstrap.resolve("/contents/several-chunks").orElseThrow(),
                            bootstrap.resolve("/links/file").orElseThrow());
        }
    }

    /** Layers half by nydus, half by us; merged by nydus, read by us and by nydusd. */
    @Test
    void mergeOurLayersWithTheirs() throws Exception {
        var items = List.of(LOWER, UPPER);
        var ours = Built.of(new LayerOptions(CHUNK, Codec.ZSTD, DigestAlgorithm.SHA256, 3), items.get(0));
        var blobs = Files.createDirectory(directory.resolve("blobs"));
        Files.write(blobs.resolve(ours.summary().digest()), ours.blob());
        nydusImage(
                "create",
                "--whiteout-spec",
                "none",
                "--chunk-size",
                "0x10000",
                "--compressor",
                "lz4_block",
                "--blob-inline-meta",
                "--features",
                "blob-toc",
                "--blob",
                directory.resolve("theirs").toString(),
                upper.toString());
        byte[] their = Files.readAllBytes(directory.resolve("theirs"));
        String theirId = java.util.HexFormat.of().formatHex(ChunkHasher.sha256().digest(their));
        Files.write(blobs.resolve(theirId), their);
        var layerBootstraps = Files.createDirectory(directory.resolve("bootstraps"));
        extractBootstrap(ours.blob(), layerBootstraps.resolve(ours.summary().digest()));
        extractBootstrap(their, layerBootstraps.resolve(theirId));

        nydusImage(
                "merge",
                "--bootstrap",
                directory.resolve("merged").toString(),
                layerBootstraps.resolve(ours.summary().digest()).toString(),
                layerBootstraps.resolve(theirId).toString());

        var expected = new TreeMap<>(ExpectedTree.ofImage(items));
        try (var bootstrap = Bootstrap.open(directory.resolve("merged"))) {
            BootstrapChecker.check(bootstrap);
            var read = new ArrayList<byte[]>();
            for (var blob : bootstrap.blobs()) {
                read.add(Files.readAllBytes(blobs.resolve(blob.id())));
            }
            var seen = SeenTree.of(bootstrap, read);
            // nydus-image interprets whiteouts in upper layers only; those of the lowest stay files.
            assertThat(seen).containsKeys(".wh.never-there", "directories/.wh..wh..opq");
            seen.keySet().removeAll(List.of(".wh.never-there", "directories/.wh..wh..opq"));
            // Their upper layer has a root, made 1970 by nydus-image, and directories on the way that the tar would not
            // have.
            assertThat(seen.keySet()).isEqualTo(expected.keySet());
            for (var path : expected.keySet()) {
                assertThat(seen.get(path).content())
                        .as(path)
                        .isEqualTo(expected.get(path).content());
                assertThat(seen.get(path).target())
                        .as(path)
                        .isEqualTo(expected.get(path).target());
                assertThat(seen.get(path).firstName())
                        .as(path)
                        .isEqualTo(expected.get(path).firstName());
            }
        }
    }

    private static void extractBootstrap(byte[] blob, Path file) throws Exception {
        byte[] tail = java.util.Arrays.copyOfRange(blob, blob.length - BlobSections.TAIL_BYTES, blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, "layer");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        int from = (int) section.offset();
        Files.write(
                file,
                sections.decode(section, java.util.Arrays.copyOfRange(blob, from, from + (int) section.storedSize())));
    }

    @Test
    void ofVersionFiveAreRefusedByName() {
        var bootstrap = create(upper, "boot", CHUNK, "zstd", "sha256", "--fs-version", "5");

        assertThatThrownBy(() -> Bootstrap.open(bootstrap).close())
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("RAFS v5");
    }
}
