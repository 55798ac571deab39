package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.rafs.LayerEntry.Kind;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Layer blobs that {@code nydus-image create --blob-inline-meta --features blob-toc --chunk-size 0x1000} of nydus 2.2.0 made of
 * one small directory.
 */
class NydusImagesTest {
    private static final String EMPTY_NAMES = "directory/sub/entry-number-";

    @TempDir
    Path directory;

    private static Built open(String name) throws Exception {
        byte[] blob;
        try (var in = NydusImagesTest.class.getResourceAsStream("/nydus-2.2/" + name + ".blob")) {
            blob = in.readAllBytes();
        }
        byte[] tail = Arrays.copyOfRange(blob, blob.length - BlobSections.TAIL_BYTES, blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, name);
        var section = sections.entry(BlobSections.BOOTSTRAP);
        int start = (int) section.offset();
        byte[] stored = Arrays.copyOfRange(blob, start, start + (int) section.storedSize());
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(sections.decode(section, stored)), name);
        String digest = HexFormat.of().formatHex(ChunkHasher.sha256().digest(blob));
        return new Built(blob, new LayerBlob(digest, blob.length, 0, 0, 0, 0, 0, 0, 0, 0, 0), bootstrap, sections);
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
}
