package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BootstrapMergerTest {
    @TempDir
    Path directory;

    private int merges;

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Merged(Map<String, Seen> tree, MergedBootstrap summary, byte[] bytes) {}

    @SafeVarargs
    @SuppressWarnings("varargs") // the array is only read
    private final Merged merge(List<Item>... layers) throws Exception {
        return merge(Built.SMALL_CHUNKS, List.of(layers));
    }

    private Merged merge(LayerOptions options, List<List<Item>> layers) throws Exception {
        var built = new ArrayList<Built>();
        for (var items : layers) {
            built.add(Built.of(options, items));
        }
        return mergeBuilt(built);
    }

    private Merged mergeBuilt(List<Built> built) throws Exception {
        var file = directory.resolve("merged-" + merges++);
        var summary = BootstrapMerger.merge(built.stream().map(Built::toMerge).toList(), file);
        try (var bootstrap = Bootstrap.open(file)) {
            BootstrapChecker.check(bootstrap);
            assertThat(bootstrap.blobs()).isEqualTo(summary.blobs());
            assertThat(bootstrap.inodeCount()).isEqualTo(summary.inodes());
            return new Merged(SeenTree.ofMerged(bootstrap, built), summary, Files.readAllBytes(file));
        }
    }

    @Test
    void theCorpusIsTheTreeOfItsLayers() throws Exception {
        var items = List.of(Corpus.lower(4096), Corpus.upper(4096));

        assertThat(merge(Built.SMALL_CHUNKS, items).tree).isEqualTo(ExpectedTree.ofImage(items));
    }

    @RepeatedTest(60)
    void anyLayersMakeTheTreeThatAPlainModelMakes(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(1000 + repetition.getCurrentRepetition());
        var options = RandomLayers.options(random);
        var layers = new ArrayList<List<Item>>();
        for (int i = random.nextInt(5); i >= 0; i--) {
            layers.add(RandomLayers.upperLayer(random, options.chunkSizeBytes()));
        }
        var merged = merge(options, layers);

        assertThat(merged.tree).isEqualTo(ExpectedTree.ofImage(layers));
        assertThat(merge(options, layers).bytes).isEqualTo(merged.bytes);
    }

    @Test
    void aWhiteoutTakesAwayWhatLiesBelowAndItself() throws Exception {
        var merged = merge(
                List.of(Item.file("a", "1"), Item.directory("d"), Item.file("d/x", "2"), Item.file("keep", "3")),
                List.of(Item.file(".wh.a", ""), Item.file(".wh.d", "")));

        assertThat(merged.tree).containsOnlyKeys("", "keep");
    }

    @Test
    void aWhiteoutDoesNotTouchItsOwnLayer() throws Exception {
        var merged = merge(
                List.of(Item.file("a", "old"), Item.directory("d"), Item.file("d/old", "1")),
                List.of(
                        Item.file("a", "new"),
                        Item.file(".wh.a", ""),
                        Item.directory("d"),
                        Item.file("d/new", "2"),
                        Item.file(".wh.d", "")));

        assertThat(merged.tree).containsOnlyKeys("", "a", "d", "d/new");
        assertThat(merged.tree.get("a").sizeBytes()).isEqualTo(3);
    }

    @Test
    void whiteoutsOfTheLowestLayerDoNotSurvive() throws Exception {
        var merged = merge(List.of(
                Item.file(".wh.a", ""),
                Item.file("d/.wh..wh..opq", ""),
                Item.file("d/b", "b"),
                Item.file(".wh.", ""),
                Item.file(".wh..wh.plnk", "")));

        assertThat(merged.tree).containsOnlyKeys("", "d", "d/b");
    }

    @Test
    void anOpaqueDirectoryHidesItsChildrenBelowAndKeepsItsOwn() throws Exception {
        var merged = merge(
                List.of(Item.directory("d").mode(0700), Item.file("d/old", "1"), Item.file("d/deep/old", "2")),
                List.of(Item.file("d/new", "3"), Item.file("d/.wh..wh..opq", "")));

        assertThat(merged.tree).containsOnlyKeys("", "d", "d/new");
        assertThat(merged.tree.get("d").mode()).isEqualTo(040700);
    }

    @Test
    void aDirectoryOverADirectoryKeepsChildrenAndTakesAttributes() throws Exception {
        var merged = merge(
                List.of(
                        Item.directory("d").mode(0700).owner(1, 1).xattr("user.old", new byte[1]),
                        Item.file("d/x", "1")),
                List.of(Item.directory("d").mode(0711).owner(2, 2).mtime(5, 6)));

        assertThat(merged.tree).containsOnlyKeys("", "d", "d/x");
        assertThat(merged.tree.get("d")).isEqualTo(new Seen(040711, 2, 2, 5, 6, 2, 0, "", "", Map.of(), "", "d"));
    }

    @Test
    void anImpliedDirectoryChangesNothingBelow() throws Exception {
        var merged = merge(
                List.of(
                        Item.directory("d").mode(0700).mtime(9, 9),
                        Item.directory("").mode(0500)),
                List.of(Item.file("d/x", "1")));

        assertThat(merged.tree.get("d").mode()).isEqualTo(040700);
        assertThat(merged.tree.get("d").mtimeSeconds()).isEqualTo(9);
        assertThat(merged.tree.get("").mode()).isEqualTo(040500);
    }

    @Test
    void theRootIsThatOfTheUppermostLayerWhichHasOne() throws Exception {
        var merged = merge(
                List.of(Item.directory("").mode(0700)),
                List.of(Item.directory("").mode(0711)),
                List.of(Item.file("x", "1")));

        assertThat(merged.tree.get("").mode()).isEqualTo(040711);
    }

    @Test
    void aNameOfAFileReplacedAboveLeavesTheOtherNamesAlone() throws Exception {
        var merged = merge(
                List.of(Item.file("a", "old"), Item.link("x/b", "a"), Item.link("c", "a")),
                List.of(Item.file("a", "new content")));

        assertThat(merged.tree.get("a").nlink()).isOne();
        assertThat(merged.tree.get("c").nlink()).isEqualTo(2);
        assertThat(merged.tree.get("c").firstName()).isEqualTo("c");
        assertThat(merged.tree.get("x/b").firstName()).isEqualTo("c");
        assertThat(merged.tree.get("x/b").sizeBytes()).isEqualTo(3);
    }

    @Test
    void blobsThatNoFileUsesAreLeftOut() throws Exception {
        var hidden = List.of(Item.file("a", "hidden by the layer above"));
        var shown = List.of(Item.file("a", "shown"));
        var merged = merge(hidden, shown);

        assertThat(merged.summary.blobs()).hasSize(1);
        assertThat(merged.summary.blobs().getFirst().id())
                .isEqualTo(Built.of(Built.SMALL_CHUNKS, shown).summary().digest());
        assertThat(merged.summary.blobs().getFirst().features()).isEqualTo(0x70000021);
        assertThat(merged.summary.chunkCount()).isOne();
    }

    @Test
    void theSameLayerTwiceIsOneBlob() throws Exception {
        var items = List.of(Item.file("a", "content"), Item.file("b", Corpus.incompressible(9000, 1)));
        var merged = merge(items, List.of(Item.file("c", "between")), items);

        assertThat(merged.summary.blobs()).hasSize(2);
        assertThat(merged.tree).containsOnlyKeys("", "a", "b", "c");
    }

    @Test
    void aMergedBootstrapCanBeMergedAgain() throws Exception {
        var lower = Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096));
        var upper = Built.of(Built.SMALL_CHUNKS, Corpus.upper(4096));
        var file = directory.resolve("lower");
        BootstrapMerger.merge(List.of(lower.toMerge()), file);
        try (var merged = Bootstrap.open(file)) {
            var again = directory.resolve("again");
            BootstrapMerger.merge(
                    List.of(new MergeLayer(merged, lower.summary().digest(), lower.blob().length), upper.toMerge()),
                    again);
            try (var bootstrap = Bootstrap.open(again)) {
                BootstrapChecker.check(bootstrap);
                assertThat(SeenTree.ofMerged(bootstrap, List.of(lower, upper)))
                        .isEqualTo(ExpectedTree.ofImage(List.of(Corpus.lower(4096), Corpus.upper(4096))));
            }
        }
    }

    @Test
    void layersMayDifferInCodecAndDigest() throws Exception {
        var built = List.of(
                Built.of(
                        new LayerOptions(4096, Codec.NONE, DigestAlgorithm.BLAKE3, 3),
                        List.of(Item.file("a", new byte[5000]))),
                Built.of(
                        new LayerOptions(4096, Codec.LZ4_BLOCK, DigestAlgorithm.SHA256, 3),
                        List.of(Item.file("b", new byte[5000]))),
                Built.of(Built.SMALL_CHUNKS, List.of(Item.file("c", new byte[5000]))));

        assertThat(mergeBuilt(built).tree).containsOnlyKeys("", "a", "b", "c");
    }

    @Test
    void layersWithDifferentChunkSizesAreRefused() throws Exception {
        var layers = List.of(
                Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", "1"))),
                Built.of(LayerOptions.DEFAULT, List.of(Item.file("b", "2"))));

        assertThatThrownBy(() -> mergeBuilt(layers))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("1048576");
    }

    @Test
    void moreBlobsThanCanBeAddressedAreRefused() throws Exception {
        var layers = new ArrayList<Built>();
        for (int i = 0; i < 255; i++) {
            layers.add(Built.of(Built.SMALL_CHUNKS, List.of(Item.file("f" + i, "content " + i))));
        }

        assertThatThrownBy(() -> mergeBuilt(layers)).hasMessageContaining("at most 254");
        assertThat(mergeBuilt(layers.subList(0, 254)).tree).hasSize(255);
    }

    @Test
    void nothingAtAllMakesAnEmptyRoot() throws Exception {
        assertThat(merge().tree).containsOnlyKeys("");
    }

    @Test
    void theChunkTableIsSortedAndDevicesLieAtTheirAlignment() throws Exception {
        var built = List.of(
                Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096)), Built.of(Built.SMALL_CHUNKS, Corpus.upper(4096)));
        var merged = mergeBuilt(built);
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(merged.bytes), "merged");
        var records = bootstrap.chunkRecords();
        for (int i = 1; i < records.count(); i++) {
            int order = ChunkRecords.compareDigests(records, i - 1, records, i);
            assertThat(order < 0 || (order == 0 && records.blobIndex(i - 1) < records.blobIndex(i)))
                    .isTrue();
        }
        long end = merged.bytes.length;
        for (var blob : bootstrap.blobs()) {
            assertThat(blob.mappedBlock() * 4096).isEqualTo(Image.roundUp(end, 512 << 10));
            end = blob.mappedBlock() * 4096 + blob.uncompressedSize();
        }
    }

    @Test
    void whatSeveralLayersHoldIsReferredToInTheLowest() throws Exception {
        var content = "0123456789".repeat(2000);
        var layers = List.of(
                List.of(Item.file("a", content), Item.file("b", "lower")),
                List.of(Item.file("copy", content)),
                List.of(Item.file("again", content + "and more"), Item.file("own", "upper")));
        var built = new ArrayList<Built>();
        for (var items : layers) {
            built.add(Built.of(Built.SMALL_CHUNKS, items));
        }
        var merged = mergeBuilt(built);

        assertThat(merged.tree).isEqualTo(ExpectedTree.ofImage(layers));
        assertThat(merged.summary.blobs())
                .extracting(BlobInfo::id)
                .containsExactlyInAnyOrder(
                        built.get(0).summary().digest(), built.get(2).summary().digest());
        // five pieces of the shared content, of which the last differs in one file; and two small files
        assertThat(merged.summary.chunkCount()).isEqualTo(8);
    }
}
