package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.rafs.LayerEntry.Kind;
import java.io.ByteArrayInputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What nydus-image 2.2.0 made; the README beside the files tells how. */
class NydusImagesTest {
    private static final String EMPTY_NAMES = "directory/sub/entry-number-";

    @TempDir
    Path directory;

    private static Built open(String name) throws Exception {
        byte[] blob = file(name + ".blob");
        byte[] tail = Arrays.copyOfRange(blob, blob.length - BlobSections.TAIL_BYTES, blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, name);
        var section = sections.entry(BlobSections.BOOTSTRAP);
        int start = (int) section.offset();
        byte[] stored = Arrays.copyOfRange(blob, start, start + (int) section.storedSize());
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(sections.decode(section, stored)), name);
        return new Built(
                blob, new LayerBlob(sha256(blob), blob.length, 0, 0, 0, 0, 0, 0, 0, 0, 0), bootstrap, sections);
    }

    /** What was in the directory; nydus sets the root's mtime to 0. */
    private static Map<String, Seen> expected() {
        byte[] numbers = Item.bytes(
                IntStream.rangeClosed(1, 5000).mapToObj(i -> i + "\n").collect(Collectors.joining()));
        var items = new ArrayList<Item>(List.of(
                Item.directory("").mtime(0, 0),
                Item.file("hello.txt", "hello, world\n").mode(04755).xattr("user.k", Item.bytes("v")),
                Item.file("numbers", numbers),
                Item.file("empty", "").owner(1000, 2000),
                Item.directory("directory").xattr("trusted.t", Item.bytes("on a directory")),
                Item.link("directory/same-numbers", "numbers"),
                Item.symlink("directory/symlink", "../hello.txt").mode(0777),
                Item.special("directory/fifo", Kind.FIFO, 0, 0),
                Item.directory("directory/sub")));
        for (int i = 1; i <= 200; i++) {
            items.add(Item.file(EMPTY_NAMES + i, ""));
        }
        return new TreeMap<>(ExpectedTree.ofLayer(items));
    }

    @ParameterizedTest
    @CsvSource({"none-sha256,NONE,SHA256", "lz4_block-blake3,LZ4_BLOCK,BLAKE3", "zstd-sha256,ZSTD,SHA256"})
    void areReadAsTheyWereMade(String name, Codec codec, DigestAlgorithm digest) throws Exception {
        var layer = open(name);

        BootstrapChecker.check(layer.bootstrap());
        assertThat(layer.bootstrap().blobs().getFirst().codec()).isEqualTo(codec);
        assertThat(layer.bootstrap().blobs().getFirst().digester()).isEqualTo(digest);
        assertThat(SeenTree.of(layer)).isEqualTo(expected());
    }

    @ParameterizedTest
    @CsvSource({"none-sha256", "lz4_block-blake3", "zstd-sha256"})
    void haveSectionsWithTheDigestsThatTheirTableOfContentsTells(String name) throws Exception {
        var layer = open(name);

        assertThat(layer.sections().sections())
                .extracting(BlobSections.Section::name)
                .containsExactly("image.blob", "blob.meta", "blob.meta.header", "blob.digest", "image.boot");
        for (var section : layer.sections().sections()) {
            layer.sections().decode(section, layer.stored(section.name()));
        }
        assertThat(layer.chunkTable().count())
                .isEqualTo(layer.bootstrap().blobs().getFirst().chunkCount());
    }

    @ParameterizedTest
    @CsvSource({"none-sha256", "lz4_block-blake3", "zstd-sha256"})
    void canBeMergedWithOurs(String name) throws Exception {
        var theirs = open(name);
        var ours = Built.of(
                Built.SMALL_CHUNKS, List.of(Item.file("directory/.wh.sub", ""), Item.file("directory/added", "by us")));
        var file = directory.resolve("merged");
        BootstrapMerger.merge(List.of(theirs.toMerge(), ours.toMerge()), file);
        try (var merged = Bootstrap.open(file)) {
            BootstrapChecker.check(merged);
            var tree = SeenTree.ofMerged(merged, List.of(theirs, ours));

            assertThat(Files.size(file)).isEqualTo(merged.sizeBytes());
            assertThat(tree.keySet())
                    .containsExactlyInAnyOrder(
                            "",
                            "hello.txt",
                            "numbers",
                            "empty",
                            "directory",
                            "directory/added",
                            "directory/same-numbers",
                            "directory/symlink",
                            "directory/fifo");
            assertThat(tree.get("numbers")).isEqualTo(expected().get("numbers"));
        }
    }

    private static byte[] file(String name) throws Exception {
        try (var in = NydusImagesTest.class.getResourceAsStream("/nydus-2.2/" + name)) {
            return in.readAllBytes();
        }
    }

    private static byte[] layer(String name) throws Exception {
        var gzip = new ByteArrayInputStream(file("layer.tar.gz"));
        return name.endsWith(".gz") ? gzip.readAllBytes() : new GZIPInputStream(gzip).readAllBytes();
    }

    private static String sha256(byte[] bytes) {
        return HexFormat.of().formatHex(ChunkHasher.sha256().digest(bytes));
    }

    /** What {@code make} puts into the layer. */
    private static Map<String, Seen> expectedOfLayer() {
        String text = IntStream.rangeClosed(1, 3000)
                .mapToObj(i -> i * i % 10007 + "\n")
                .collect(Collectors.joining());
        String whole = IntStream.range(0, 380).mapToObj(i -> i + " " + text).collect(Collectors.joining());
        return ExpectedTree.ofLayer(List.of(
                Item.directory(""),
                Item.directory("directory"),
                Item.file("directory/hello", "hello, world\n"),
                Item.file("directory/text", whole),
                Item.file("empty", ""),
                Item.link("link", "directory/hello"),
                Item.symlink("symlink", "directory/text").mode(0777),
                Item.file("whole", text.substring(0, 8192))));
    }

    @ParameterizedTest
    @CsvSource({"layer.tar.gz,true", "layer.tar,false"})
    void ofLayersInPlaceAreReadOutOfTheLayers(String name, boolean isGzip) throws Exception {
        byte[] layer = layer(name);
        byte[] described = file(name + ".ref");
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(file(name + ".boot")), name);

        BootstrapChecker.check(bootstrap);
        var blob = bootstrap.blobs().getFirst();
        assertThat(blob.id()).isEqualTo(sha256(layer));
        assertThat(blob.tableId()).isEqualTo(sha256(described));
        assertThat(blob.isLayer()).isTrue();
        assertThat(blob.hasSpans()).isEqualTo(isGzip);
        assertThat(SeenTree.of(bootstrap, List.of(layer), Map.of(sha256(described), described)))
                .isEqualTo(expectedOfLayer());
    }

    @ParameterizedTest
    @CsvSource({"layer.tar.gz", "layer.tar"})
    void describeTheLayerInABlobThatHasNothingOfIt(String name) throws Exception {
        byte[] described = file(name + ".ref");
        byte[] tail = Arrays.copyOfRange(described, described.length - BlobSections.TAIL_BYTES, described.length);
        var sections = BlobSections.fromTail(tail, described.length, name);

        assertThat(sections.sections())
                .extracting(BlobSections.Section::name)
                .containsExactly("blob.meta", "blob.meta.header", "blob.digest", "image.boot");
        for (var section : sections.sections()) {
            int from = (int) section.offset();
            sections.decode(section, Arrays.copyOfRange(described, from, from + (int) section.storedSize()));
        }
    }

    @Test
    void shareTheChunksOfAnotherAndSayWhatToFetchAhead() throws Exception {
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(file("upper.boot")), "upper");
        BootstrapChecker.check(bootstrap);
        var byId = new HashMap<String, byte[]>();
        for (String name : List.of("upper.blob", "dictionary.blob")) {
            byId.put(sha256(file(name)), file(name));
        }
        var blobs = new ArrayList<byte[]>();
        for (var blob : bootstrap.blobs()) {
            blobs.add(byId.get(blob.id()));
        }

        assertThat(blobs).hasSize(2).doesNotContainNull();
        var seen = SeenTree.of(bootstrap, blobs);
        assertThat(seen.get("first").content()).isEqualTo(sha256(Item.bytes("first\n")));
        assertThat(seen.get("directory/same").content()).isEqualTo(sha256(numbers(1, 3000)));
        assertThat(seen.get("directory/other").content()).isEqualTo(sha256(numbers(5, 2000)));
        assertThat(bootstrap.prefetchNids())
                .containsExactlyInAnyOrder(
                        bootstrap.resolve("/first").orElseThrow(),
                        bootstrap.resolve("/directory/other").orElseThrow());
    }

    private static byte[] numbers(int first, int last) {
        return Item.bytes(
                IntStream.rangeClosed(first, last).mapToObj(i -> i + "\n").collect(Collectors.joining()));
    }
}
