package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LayerRoundTripTest {
    @ParameterizedTest
    @CsvSource({"NONE,SHA256", "NONE,BLAKE3", "LZ4_BLOCK,SHA256", "LZ4_BLOCK,BLAKE3", "ZSTD,SHA256", "ZSTD,BLAKE3"})
    void readsTheCorpusAsItWasWritten(Codec codec, DigestAlgorithm digest) throws Exception {
        var items = Corpus.lower(4096);
        var layer = Built.of(new LayerOptions(4096, codec, digest, 3), items);

        BootstrapChecker.check(layer.bootstrap());
        assertThat(SeenTree.of(layer)).isEqualTo(ExpectedTree.ofLayer(items));
    }

    @Test
    void mergesTheCorpus() throws Exception {
        var lower = Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096));
        var upper = Built.of(Built.SMALL_CHUNKS, Corpus.upper(4096));
        var file = java.nio.file.Files.createTempFile("merged", ".boot");
        var merged = BootstrapMerger.merge(List.of(lower.toMerge(), upper.toMerge()), file);
        try (var bootstrap = Bootstrap.open(file)) {
            BootstrapChecker.check(bootstrap);
            assertThat(SeenTree.ofMerged(bootstrap, List.of(lower, upper)))
                    .isEqualTo(ExpectedTree.ofImage(List.of(Corpus.lower(4096), Corpus.upper(4096))));
        }
    }
}
