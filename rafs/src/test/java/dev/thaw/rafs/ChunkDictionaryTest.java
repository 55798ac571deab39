package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChunkDictionaryTest {
    private static final String LARGE = "abc".repeat(5000);

    @TempDir
    Path directory;

    private int merges;

    private Bootstrap merged(Built... layers) throws Exception {
        var file = directory.resolve("merged-" + merges++);
        BootstrapMerger.merge(List.of(layers).stream().map(Built::toMerge).toList(), file);
        var bootstrap = Bootstrap.open(file);
        BootstrapChecker.check(bootstrap);
        return bootstrap;
    }

    @Test
    void whatTheDictionaryHasIsReferredToAndNotStored() throws Exception {
        var first = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", LARGE), Item.file("b", "gone later")));
        try (var old = merged(first)) {
            var items = List.of(Item.file("copy", LARGE), Item.file("new", "unheard of"));
            var second = Built.with(ChunkDictionary.of(old), Built.SMALL_CHUNKS, items);

            assertThat(second.summary().chunkCount()).isOne();
            assertThat(second.summary().duplicateBytes()).isEqualTo(LARGE.length());
            assertThat(second.bootstrap().blobs())
                    .extracting(BlobInfo::id)
                    .containsExactly(BlobTable.PLACEHOLDER_ID, first.summary().digest());
            try (var bootstrap = merged(second)) {
                assertThat(SeenTree.ofMerged(bootstrap, List.of(first, second)))
                        .isEqualTo(ExpectedTree.ofImage(List.of(items)));
                assertThat(bootstrap.blobs())
                        .extracting(BlobInfo::id)
                        .containsExactlyInAnyOrder(
                                first.summary().digest(), second.summary().digest());
            }
        }
    }

    @Test
    void aLayerThatTheDictionaryHasWhollyStoresNoChunk() throws Exception {
        var items = List.of(Item.file("a", LARGE), Item.directory("d"), Item.file("d/b", "small"));
        var first = Built.of(Built.SMALL_CHUNKS, items);
        try (var old = merged(first)) {
            var second = Built.with(ChunkDictionary.of(old), Built.SMALL_CHUNKS, items);

            assertThat(second.summary().chunkCount()).isZero();
            try (var bootstrap = merged(second)) {
                assertThat(bootstrap.blobs())
                        .singleElement()
                        .satisfies(blob ->
                                assertThat(blob.id()).isEqualTo(first.summary().digest()));
                assertThat(SeenTree.ofMerged(bootstrap, List.of(first, second)))
                        .isEqualTo(ExpectedTree.ofImage(List.of(items)));
            }
        }
    }

    @Test
    void layersThatShareADictionaryAreMergedOverOneBlobOfIt() throws Exception {
        var first = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", LARGE), Item.file("b", "b")));
        try (var old = merged(first)) {
            var dictionary = ChunkDictionary.of(old);
            var lower = List.of(Item.file("x", LARGE), Item.file("own", "1"));
            var upper = List.of(Item.file("y", LARGE), Item.file("z", "b"), Item.file("other", "2"));
            var layers = List.of(
                    Built.with(dictionary, Built.SMALL_CHUNKS, lower),
                    Built.with(dictionary, Built.SMALL_CHUNKS, upper));
            try (var bootstrap = merged(layers.toArray(Built[]::new))) {
                var all = new ArrayList<>(layers);
                all.add(first);

                assertThat(bootstrap.blobs()).hasSize(3);
                assertThat(SeenTree.ofMerged(bootstrap, all)).isEqualTo(ExpectedTree.ofImage(List.of(lower, upper)));
            }
        }
    }

    @RepeatedTest(30)
    void anyImageReadsTheSameWithAndWithoutADictionary(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(7000 + repetition.getCurrentRepetition());
        var options = RandomLayers.options(random);
        var old = RandomLayers.upperLayer(random, options.chunkSizeBytes());
        var first = Built.of(options, old);
        try (var dictionary = merged(first)) {
            var layers = List.of(List.copyOf(old), RandomLayers.upperLayer(random, options.chunkSizeBytes()));
            var built = new ArrayList<Built>();
            for (var layer : layers) {
                built.add(Built.with(ChunkDictionary.of(dictionary), options, layer));
            }
            try (var bootstrap = merged(built.toArray(Built[]::new))) {
                built.add(first);
                assertThat(SeenTree.ofMerged(bootstrap, built)).isEqualTo(ExpectedTree.ofImage(layers));
            }
        }
    }

    @Test
    void chunksOfAnotherSizeAreNoDictionary() throws Exception {
        try (var old = merged(Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", LARGE))))) {
            var dictionary = ChunkDictionary.of(old);

            assertThatThrownBy(() -> new LayerBlobWriter(
                            OutputStream.nullOutputStream(), LayerOptions.DEFAULT, dictionary, Runnable::run, 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("4096")
                    .hasMessageContaining("1048576");
        }
    }

    @Test
    void theBootstrapOfALayerIsNoDictionary() throws Exception {
        var layer = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", "a")));

        assertThatThrownBy(() -> ChunkDictionary.of(layer.bootstrap())).isInstanceOf(CorruptImageException.class);
    }
}
