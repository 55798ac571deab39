package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Layers that stay as they are, described by us and read by nydusd, and described by nydus-image and read by us. */
@EnabledIfSystemProperty(
        named = Peers.PROPERTY,
        matches = ".+",
        disabledReason = "the peers' tools are an opt-in: ./mvnw -Ppeers -pl rafs -am verify")
class LayersInPlaceIT {
    private static final Map<String, byte[]> FILES = IndexedLayer.sampleFiles();

    @TempDir
    Path directory;

    /** How a layer was made. */
    enum Made {
        GZIP(IndexedLayer.GZIP),
        STORED_BLOCKS(tar -> {
            var out = new ByteArrayOutputStream();
            try (var gzip = new GZIPOutputStream(out) {
                {
                    def.setLevel(Deflater.NO_COMPRESSION);
                }
            }) {
                gzip.write(tar);
            }
            return out.toByteArray();
        }),
        /**
         * A member ends behind each file's header. nydusd, up to its newest version, reads no chunk in which a member ends, nor one
         * that a member ends with: its decoder takes the end of the stream for an error.
         */
        MEMBER_FOR_EACH_FILE(tar -> {
            var out = new ByteArrayOutputStream();
            int from = 0;
            int to = 512;
            for (var content : FILES.values()) {
                out.write(IndexedLayer.GZIP.compress(Arrays.copyOfRange(tar, from, to)));
                from = to;
                to += (content.length + 511 & -512) + 512;
            }
            out.write(IndexedLayer.GZIP.compress(Arrays.copyOfRange(tar, from, tar.length)));
            return out.toByteArray();
        }),
        PLAIN(tar -> tar);

        private final IndexedLayer.Compression compression;

        Made(IndexedLayer.Compression compression) {
            this.compression = compression;
        }

        IndexedLayer layer() throws IOException {
            return this == PLAIN ? IndexedLayer.plain(FILES) : IndexedLayer.of(FILES, compression);
        }
    }

    @ParameterizedTest
    @EnumSource
    void nydusdReadsOurs(Made made) throws Exception {
        assumeTrue(Linux.isRoot() && Files.exists(Path.of("/dev/fuse")), "mounting FUSE needs root and /dev/fuse");
        var layer = made.layer();
        layer.bootstrap(directory);
        var blobs = Files.createDirectory(directory.resolve("blobs"));
        Files.write(blobs.resolve(layer.id), layer.stored);
        Files.write(blobs.resolve(layer.written.digest()), layer.blob);
        var bootstrap = directory.resolve("merged.boot");

        var check = Peers.run("nydus-image", List.of("check", "--bootstrap", bootstrap.toString()));
        assertThat(check.exit()).as(check.output()).isZero();
        assertThat(check.output()).contains(layer.id);
        var work = Files.createDirectory(directory.resolve("nydusd"));
        for (var cache : List.of("cold", "warm")) {
            try (var nydusd = Nydusd.mount(bootstrap, blobs, work)) {
                var seen = nydusd.tree();
                assertThat(seen.keySet()).as(cache).containsAll(layer.files.keySet());
                for (var file : layer.files.entrySet()) {
                    assertThat(seen.get(file.getKey()).content())
                            .as(cache + " " + file.getKey())
                            .isEqualTo(sha256(file.getValue()));
                }
            }
        }
    }

    /** A layer of a tree that the kernel shows, packed by tar and gzip. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void weReadTheirs(boolean isGzipped) throws Exception {
        MountedErofs.require(Files.createDirectory(directory.resolve("probe")));
        // nydus-image ends the xattrs of a tar's entry at the first line feed, and in merging reads beyond the last
        // name of
        // a directory that fills its block to the last byte.
        var items = Corpus.withoutAcls(Corpus.lower(1 << 20)).stream()
                .filter(item -> !item.path().startsWith("directories/whole-block"))
                .map(item -> item.onlyXattrs(name -> !name.equals("user.large")))
                .toList();
        var layer = directory.resolve("layer");
        pack(items, layer, isGzipped);
        var blob = directory.resolve("blob");
        var create = Peers.run(
                "nydus-image",
                List.of(
                        "create",
                        "--type",
                        "targz-ref",
                        "--whiteout-spec",
                        "none",
                        "--blob-inline-meta",
                        "--features",
                        "blob-toc",
                        "--blob",
                        blob.toString(),
                        layer.toString()));
        assertThat(create.exit()).as(create.output()).isZero();

        byte[] described = Files.readAllBytes(blob);
        byte[] stored = Files.readAllBytes(layer);
        var own = directory.resolve(sha256(stored)); // nydus-image takes the layer's digest from the name
        Files.write(own, bootstrapOf(described));
        var expected = expected(items);
        var merged = directory.resolve("theirs.boot");
        var merge = Peers.run(
                "nydus-image",
                List.of(
                        "merge",
                        "--blob-digests",
                        sha256(described),
                        "--blob-sizes",
                        Integer.toString(described.length),
                        "--bootstrap",
                        merged.toString(),
                        own.toString()));
        assertThat(merge.exit()).as(merge.output()).isZero();
        try (var bootstrap = Bootstrap.open(merged)) {
            MountedErofs.assertSame(seen(bootstrap, stored, described), expected);
        }
    }

    private static Map<String, Seen> seen(Bootstrap bootstrap, byte[] layer, byte[] described) throws Exception {
        BootstrapChecker.check(bootstrap);
        assertThat(bootstrap.blobs()).extracting(BlobInfo::id).containsExactly(sha256(layer));
        var spans = new HashMap<String, byte[]>();
        spans.put(sha256(described), described);
        return SeenTree.of(bootstrap, List.of(layer), spans);
    }

    private void pack(List<Item> items, Path layer, boolean isGzipped) throws Exception {
        var built = Built.of(new LayerOptions(1 << 20, Codec.NONE, DigestAlgorithm.SHA256, 3), items);
        var bootstrap = directory.resolve("packed.boot");
        Files.write(bootstrap, bootstrapOf(built.blob()));
        var device = directory.resolve("device");
        DeviceFiles.write(built, device);
        var mounted = Files.createDirectory(directory.resolve("mounted"));
        Linux.mountErofs(bootstrap.toString(), List.of(device.toString()), mounted.toString());
        try {
            var command = new ArrayList<>(List.of(
                    "tar",
                    "--create",
                    "--format=pax",
                    "--xattrs",
                    "--xattrs-include=*",
                    "--numeric-owner",
                    "--warning=no-file-ignored",
                    "--directory",
                    mounted.toString(),
                    "--file",
                    layer.toString()));
            if (isGzipped) {
                command.add("--gzip");
            }
            command.add(".");
            var tar = new ProcessBuilder(command).inheritIO().start();
            assertThat(tar.waitFor()).isZero();
        } finally {
            Linux.unmount(mounted.toString());
        }
    }

    /**
     * What is left of it in a tar, as nydus-image reads one: no sockets, and of times and owners what the header has, not what its
     * pax records say.
     */
    private static TreeMap<String, Seen> expected(List<Item> items) {
        var tree = new TreeMap<>(ExpectedTree.ofLayer(items));
        tree.remove("dev/socket");
        tree.replaceAll((path, s) -> new Seen(
                s.mode(),
                s.uid() < 1 << 21 ? s.uid() : 0,
                s.gid() < 1 << 21 ? s.gid() : 0,
                s.mtimeSeconds() >= 0 && s.mtimeSeconds() < 1L << 33 ? s.mtimeSeconds() : 0,
                0,
                s.nlink(),
                s.sizeBytes(),
                s.target(),
                s.rdev(),
                s.xattrs(),
                s.content(),
                s.firstName()));
        return tree;
    }

    private static byte[] bootstrapOf(byte[] blob) throws Exception {
        byte[] tail = Arrays.copyOfRange(blob, Math.max(0, blob.length - BlobSections.TAIL_BYTES), blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, "layer");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        int from = (int) section.offset();
        return sections.decode(section, Arrays.copyOfRange(blob, from, from + (int) section.storedSize()));
    }

    private static String sha256(byte[] bytes) {
        return HexFormat.of().formatHex(ChunkHasher.sha256().digest(bytes));
    }
}
