package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.rafs.LayerEntry.Kind;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LayerBlobWriterTest {
    @ParameterizedTest
    @CsvSource({"NONE,SHA256", "NONE,BLAKE3", "LZ4_BLOCK,SHA256", "LZ4_BLOCK,BLAKE3", "ZSTD,SHA256", "ZSTD,BLAKE3"})
    void theCorpusIsReadAsItWasWritten(Codec codec, DigestAlgorithm digest) throws Exception {
        var items = Corpus.lower(4096);
        var layer = Built.of(new LayerOptions(4096, codec, digest, 3), items);

        BootstrapChecker.check(layer.bootstrap());
        assertThat(SeenTree.of(layer)).isEqualTo(ExpectedTree.ofLayer(items));
    }

    @RepeatedTest(40)
    void anyTreeIsReadAsItWasWritten(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        var options = RandomLayers.options(random);
        var items = RandomLayers.layer(random, options.chunkSizeBytes());
        var layer = Built.of(options, items);

        BootstrapChecker.check(layer.bootstrap());
        assertThat(SeenTree.of(layer)).isEqualTo(ExpectedTree.ofLayer(items));
        assertThat(Built.inParallel(options, items, 3).blob()).isEqualTo(layer.blob());
    }

    @Test
    void theNumberOfThreadsDoesNotChangeAByte() throws Exception {
        var items = Corpus.lower(4096);
        var alone = Built.of(Built.SMALL_CHUNKS, items);

        for (int threads : new int[] {1, 2, 7}) {
            assertThat(Built.inParallel(Built.SMALL_CHUNKS, items, threads).blob())
                    .isEqualTo(alone.blob());
        }
    }

    /** More than are compressed at a time by count, by length, and with whole chunks among them; some are the same. */
    @ParameterizedTest
    @CsvSource({"NONE", "LZ4_BLOCK", "ZSTD"})
    void manySmallFilesAreReadAsTheyWereWritten(Codec codec) throws Exception {
        var options = new LayerOptions(16384, codec, DigestAlgorithm.SHA256, 3);
        var items = new ArrayList<Item>();
        for (int i = 0; i < 3 * ChunkPress.SLOTS; i++) {
            int length = i < 2 * ChunkPress.SLOTS ? 1 + i % 40 : 1 + i * 37 % 40_000;
            items.add(Item.file("file-" + i, i % 3 == 0 ? new byte[length] : Corpus.incompressible(length, i % 100)));
        }
        var layer = Built.of(options, items);

        BootstrapChecker.check(layer.bootstrap());
        assertThat(SeenTree.of(layer)).isEqualTo(ExpectedTree.ofLayer(items));
        assertThat(Built.inParallel(options, items, 3).blob()).isEqualTo(layer.blob());
    }

    @Test
    void theBlobIsNamedByItsSha256() throws Exception {
        var layer = Built.of(LayerOptions.DEFAULT, List.of(Item.file("a", "content")));

        assertThat(layer.summary().digest())
                .isEqualTo(HexFormat.of().formatHex(ChunkHasher.sha256().digest(layer.blob())));
        assertThat(layer.summary().sizeBytes()).isEqualTo(layer.blob().length);
    }

    @Test
    void equalChunksAreStoredOnce() throws Exception {
        byte[] content = Corpus.incompressible(3 * 4096 + 1, 1);
        var layer = Built.of(
                Built.SMALL_CHUNKS,
                List.of(Item.file("a", content), Item.file("b", content), Item.file("c", new byte[8 * 4096])));
        var summary = layer.summary();

        assertThat(summary.chunkCount()).isEqualTo(4 + 1);
        assertThat(summary.chunkUses()).isEqualTo(4 + 4 + 8);
        assertThat(summary.contentBytes()).isEqualTo(2 * content.length + 8 * 4096);
        assertThat(summary.duplicateBytes()).isEqualTo(content.length + 7 * 4096);
        assertThat(summary.uncompressedBytes()).isEqualTo(5 * 4096 + 0L);
        assertThat(summary.files()).isEqualTo(3);
        assertThat(summary.inodes()).isEqualTo(4);
    }

    @Test
    void everySectionIsWhereTheTableOfContentsSaysAndHasItsSha256() throws Exception {
        for (var codec : List.of(Codec.NONE, Codec.LZ4_BLOCK, Codec.ZSTD)) {
            var layer = Built.of(new LayerOptions(4096, codec, DigestAlgorithm.SHA256, 3), Corpus.lower(4096));

            assertThat(layer.sections().sections())
                    .extracting(BlobSections.Section::name)
                    .containsExactly("image.blob", "blob.meta", "blob.meta.header", "blob.digest", "image.boot");
            for (var section : layer.sections().sections()) {
                layer.sections().decode(section, layer.stored(section.name()));
            }
        }
    }

    @Test
    void aTailWalkFindsATarHeaderBehindEachSection() throws Exception {
        var layer = Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096));
        var image = new Image(MemorySegment.ofArray(layer.blob()), "blob");
        var names = new ArrayList<String>();
        long at = layer.blob().length;
        while (at > 0) {
            var header = TarHeader.read(image, at - TarHeader.BYTES);
            names.add(header.name());
            at -= TarHeader.BYTES + header.size();
        }

        assertThat(at).isZero();
        assertThat(names).containsExactly("rafs.blob.toc", "image.boot", "blob.digest", "blob.meta", "image.blob");
    }

    @Test
    void aLayerWithoutContentHasOnlyABootstrap() throws Exception {
        var items = List.of(Item.directory("etc"), Item.file("etc/.wh.gone", ""), Item.symlink("link", "etc"));
        var layer = Built.of(Built.SMALL_CHUNKS, items);

        BootstrapChecker.check(layer.bootstrap());
        assertThat(layer.bootstrap().blobs()).isEmpty();
        assertThat(layer.sections().sections())
                .extracting(BlobSections.Section::name)
                .containsExactly("image.boot");
        assertThat(SeenTree.of(layer)).isEqualTo(ExpectedTree.ofLayer(items));
    }

    @Test
    void aLayerWithoutAnyEntryHasARoot() throws Exception {
        var layer = Built.of(Built.SMALL_CHUNKS, List.of());

        BootstrapChecker.check(layer.bootstrap());
        assertThat(SeenTree.of(layer)).isEqualTo(ExpectedTree.ofLayer(List.of()));
    }

    @Test
    void itsOwnBootstrapHoldsAPlaceholderForTheBlobsId() throws Exception {
        var layer = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", "content")));
        var blob = layer.bootstrap().blobs().getFirst();

        assertThat(blob.id()).isEqualTo("x".repeat(64));
        assertThat(blob.isPlaceholder()).isTrue();
        assertThat(blob.features()).isEqualTo(0x70000023);
        assertThat(blob.compressedSize())
                .isEqualTo(layer.sections().entry(BlobSections.BOOTSTRAP).offset());
        assertThat(blob.dataBytes())
                .isEqualTo(layer.sections().entry(BlobSections.DATA).storedSize());
    }

    @Test
    void theBootstrapCanBeKeptBeside(@TempDir Path directory) throws Exception {
        var file = directory.resolve("boot");
        try (var writer = new LayerBlobWriter(OutputStream.nullOutputStream(), Built.SMALL_CHUNKS)) {
            var item = Item.file("a", "content");
            writer.add(item.entry(), new ByteArrayInputStream(item.content()));
            assertThat(writer.finish(file).bootstrapBytes()).isEqualTo(Files.size(file));
        }
        try (var bootstrap = Bootstrap.open(file)) {
            BootstrapChecker.check(bootstrap);
            assertThat(bootstrap.resolve("/a")).isPresent();
        }
    }

    @Test
    void aDirectoryOfAHundredThousandIsSearchedAndListed() throws Exception {
        var random = new SplittableRandom(7);
        var items = new ArrayList<Item>();
        for (int i = 0; i < 100_000; i++) {
            items.add(Item.file("many/" + Integer.toHexString(random.nextInt()) + "-" + i, ""));
        }
        var bootstrap = Built.of(Built.SMALL_CHUNKS, items).bootstrap();
        BootstrapChecker.check(bootstrap);
        long many = bootstrap.resolve("/many").orElseThrow();

        var count = new int[1];
        bootstrap.list(many, (name, nid, type) -> ++count[0] > 0);
        assertThat(count[0]).isEqualTo(100_002);
        for (int i = 0; i < items.size(); i += 7) {
            assertThat(bootstrap.resolve("/" + items.get(i).path())).isPresent();
            assertThat(bootstrap.resolve("/" + items.get(i).path() + "x")).isEmpty();
        }
        assertThat(bootstrap.lookup(many, Item.bytes("\0"))).isEmpty();
        assertThat(bootstrap.lookup(many, Item.bytes("\u00ff"))).isEmpty();
        assertThat(bootstrap.lookup(many, Item.bytes("."))).hasValue(many);
        assertThat(bootstrap.lookup(many, Item.bytes(".."))).hasValue(bootstrap.rootNid());
    }

    @Test
    void noDirectoryEndsExactlyWithABlock() throws Exception {
        var bootstrap = Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096)).bootstrap();

        for (String name : List.of("whole-block", "almost-a-block", "two-blocks", "tail-fits", "tail-misses", "many")) {
            long nid = bootstrap.resolve("/directories/" + name).orElseThrow();
            assertThat(bootstrap.inode(nid).sizeBytes() % 4096).as(name).isNotZero();
        }
        long almost = bootstrap.resolve("/directories/almost-a-block").orElseThrow();
        assertThat(bootstrap.inode(almost).sizeBytes()).isEqualTo(4095);
    }

    @Test
    void aFileOfConsecutiveChunksIsOneChunkToTheKernel() throws Exception {
        var bootstrap = Built.of(
                        Built.SMALL_CHUNKS,
                        List.of(
                                Item.file("consecutive", Corpus.incompressible(9 * 4096, 1)),
                                Item.file("scattered", new byte[9 * 4096]),
                                Item.file("single", "x")))
                .bootstrap();

        assertThat(kernelChunkBytes(bootstrap, "/consecutive")).isEqualTo(16 * 4096);
        assertThat(kernelChunkBytes(bootstrap, "/scattered")).isEqualTo(4096);
        assertThat(kernelChunkBytes(bootstrap, "/single")).isEqualTo(4096);
    }

    private static long kernelChunkBytes(Bootstrap bootstrap, String path) throws Exception {
        var indexes = bootstrap.chunkIndexes(bootstrap.resolve(path).orElseThrow());
        return 4096L << (indexes.format() & InodeLayout.CHUNK_BITS_MASK);
    }

    @Test
    void parentsThatAreSymlinksOfTheSameLayerAreFollowedWithinTheRoot() throws Exception {
        var layer = Built.of(
                Built.SMALL_CHUNKS,
                List.of(
                        Item.directory("usr/lib"),
                        Item.symlink("lib", "usr/lib"),
                        Item.symlink("up", "../../../usr"),
                        Item.symlink("absolute", "/usr/lib"),
                        Item.file("lib/a", "a"),
                        Item.file("up/lib/b", "b"),
                        Item.file("absolute/c", "c"),
                        Item.link("absolute/d", "lib/a")));

        assertThat(SeenTree.of(layer).keySet())
                .containsExactlyInAnyOrder(
                        "",
                        "usr",
                        "usr/lib",
                        "usr/lib/a",
                        "usr/lib/b",
                        "usr/lib/c",
                        "usr/lib/d",
                        "lib",
                        "up",
                        "absolute");
    }

    @Test
    void whatCannotBeStoredIsRefusedWithItsNameAndReason() {
        assertRefused("runs through", Item.symlink("loop", "loop"), Item.file("loop/a", "a"));
        assertRefused("not a directory", Item.file("a", "a"), Item.file("a/b", "b"));
        assertRefused("does not have", Item.link("a", "b"));
        assertRefused("the directory /b", Item.directory("b"), Item.link("a", "b"));
        assertRefused("not clean", Item.file("a//b", "b"));
        assertRefused("not clean", Item.file("a/../b", "b"));
        assertRefused("not clean", Item.file("/a", "b"));
        assertRefused("256 bytes", Item.file("n".repeat(256), "b"));
        assertRefused("NUL", Item.file("a\0b", "b"));
        assertRefused("4096 bytes", Item.symlink("a", "t".repeat(4096)));
        assertRefused("of 0 bytes", Item.symlink("a", ""));
        assertRefused("must be a directory", Item.file("", "root"));
        assertRefused("system.other", Item.file("a", "a").xattr("system.other", new byte[1]));
        assertRefused("too long", Item.file("a", "a").xattr("user.a", new byte[65536]));
        assertRefused(
                "given twice", Item.file("a", "a").xattr("user.a", new byte[1]).xattr("user.a", new byte[1]));
        assertRefused("number in Linux", Item.special("a", Kind.CHARACTER_DEVICE, 4096, 0));
        assertRefused("nanoseconds", Item.file("a", "a").mtime(0, 1_000_000_000));
    }

    private static void assertRefused(String reason, Item... items) {
        assertThatThrownBy(() -> Built.of(Built.SMALL_CHUNKS, List.of(items)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(reason);
    }

    @Test
    void contentThatEndsEarlySpoilsTheBlob() throws Exception {
        try (var writer = new LayerBlobWriter(OutputStream.nullOutputStream(), Built.SMALL_CHUNKS)) {
            var entry = Item.file("a", new byte[10]).entry();

            assertThatThrownBy(() -> writer.add(entry, new ByteArrayInputStream(new byte[9])))
                    .isInstanceOf(IOException.class);
            assertThatThrownBy(writer::finish).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aFailingOutputIsReported() {
        var full = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("no space left");
            }
        };
        try (var writer = new LayerBlobWriter(full, Built.SMALL_CHUNKS)) {
            assertThatThrownBy(() -> {
                        for (int i = 0; i < 5; i++) {
                            var item = Item.file("f" + i, Corpus.incompressible(5000, i));
                            writer.add(item.entry(), new ByteArrayInputStream(item.content()));
                        }
                        writer.finish();
                    })
                    .isInstanceOf(IOException.class)
                    .hasMessage("no space left");
        }
    }
}
