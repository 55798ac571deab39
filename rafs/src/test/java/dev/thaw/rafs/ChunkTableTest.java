package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChunkTableTest {
    private static final byte[] HEADER_MAGIC = {0x0b, (byte) 0xb1, 0x0b, (byte) 0xb1};

    @Test
    void blobAndBootstrapTellTheSame() throws Exception {
        for (var codec : List.of(Codec.NONE, Codec.LZ4_BLOCK, Codec.ZSTD)) {
            var layer = Built.of(new LayerOptions(4096, codec, DigestAlgorithm.SHA256, 3), Corpus.lower(4096));
            var ofBlob = layer.chunkTable();
            var ofBootstrap = ChunkTable.fromBootstrap(layer.bootstrap(), 0);

            assertThat(ofBlob.count())
                    .isEqualTo(ofBootstrap.count())
                    .isEqualTo(layer.summary().chunkCount());
            for (int i = 0; i < ofBlob.count(); i++) {
                assertSameChunk(ofBlob, ofBootstrap, i);
            }
        }
    }

    @Test
    void theBootstrapTellsWithWhichChunksFilesBegin() throws Exception {
        var layer = Built.of(
                Built.SMALL_CHUNKS,
                List.of(
                        Item.file("a", Corpus.incompressible(3 * 4096, 1)),
                        Item.file("b", Corpus.incompressible(5, 2)),
                        Item.file("c", Corpus.incompressible(2 * 4096 + 5, 3))));
        var table = ChunkTable.fromBootstrap(layer.bootstrap(), 0);

        assertThat(IntStream.range(0, table.count()).filter(table::beginsFile)).containsExactly(0, 3, 4);
        assertThat(IntStream.range(0, table.count()).filter(layer.chunkTable()::beginsFile))
                .isEmpty();
    }

    @Test
    void chunksThatNoFileUsesAreAbsentFromTheBootstrapsTable(@TempDir Path directory) throws Exception {
        var lower = Built.of(
                Built.SMALL_CHUNKS,
                List.of(
                        Item.file("hidden-first", Corpus.incompressible(4096, 1)),
                        Item.file("shown", Corpus.incompressible(3 * 4096 + 5, 2)),
                        Item.file("hidden-last", Corpus.incompressible(2 * 4096 + 5, 3))));
        var upper = Built.of(
                Built.SMALL_CHUNKS, List.of(Item.file(".wh.hidden-first", ""), Item.file(".wh.hidden-last", "")));
        var merged = BootstrapMerger.merge(List.of(lower.toMerge(), upper.toMerge()), directory.resolve("merged"));
        var whole = lower.chunkTable();
        try (var bootstrap = Bootstrap.open(merged.file())) {
            var table = ChunkTable.fromBootstrap(bootstrap).getFirst();

            assertThat(table.count()).isEqualTo(whole.count()).isEqualTo(8);
            for (int i = 0; i < 8; i++) {
                boolean shown = i >= 1 && i <= 4;
                assertThat(table.isPresent(i)).isEqualTo(shown);
                assertThat(table.indexAt(whole.uncompressedOffset(i))).isEqualTo(shown ? i : -1);
                if (shown) {
                    assertSameChunk(table, whole, i);
                } else {
                    assertThat(table.uncompressedLength(i)).isZero();
                    assertThat(table.compressedLength(i)).isZero();
                    assertThat(table.compressed(i)).isFalse();
                }
            }
        }
    }

    private static void assertSameChunk(ChunkTable a, ChunkTable b, int i) {
        byte[] left = new byte[32];
        byte[] right = new byte[32];
        a.digest(i, left);
        b.digest(i, right);
        assertThat(left).isEqualTo(right);
        assertThat(a.uncompressedOffset(i)).isEqualTo(b.uncompressedOffset(i));
        assertThat(a.uncompressedLength(i)).isEqualTo(b.uncompressedLength(i));
        assertThat(a.compressedOffset(i)).isEqualTo(b.compressedOffset(i));
        assertThat(a.compressedLength(i)).isEqualTo(b.compressedLength(i));
        assertThat(a.compressed(i)).isEqualTo(b.compressed(i));
    }

    @Test
    void findsTheChunkOfEachByteAndNothingBetweenChunks() throws Exception {
        var table = Built.of(
                        Built.SMALL_CHUNKS,
                        List.of(
                                Item.file("a", Corpus.incompressible(100, 1)),
                                Item.file("b", Corpus.incompressible(5000, 2))))
                .chunkTable();

        assertThat(table.indexAt(-1)).isEqualTo(-1);
        assertThat(table.indexAt(0)).isZero();
        assertThat(table.indexAt(99)).isZero();
        assertThat(table.indexAt(100)).isEqualTo(-1);
        assertThat(table.indexAt(4095)).isEqualTo(-1);
        assertThat(table.indexAt(4096)).isEqualTo(1);
        assertThat(table.indexAt(8192 + 903)).isEqualTo(2);
        assertThat(table.indexAt(8192 + 904)).isEqualTo(-1);
        assertThat(table.indexAt(Long.MAX_VALUE)).isEqualTo(-1);
    }

    @Test
    void onlyTheRightBytesMatchTheDigest() throws Exception {
        for (var digest : DigestAlgorithm.values()) {
            byte[] content = Corpus.compressible(3000);
            var table = Built.of(new LayerOptions(4096, Codec.ZSTD, digest, 3), List.of(Item.file("a", content)))
                    .chunkTable();

            assertThat(table.digestMatches(0, MemorySegment.ofArray(content))).isTrue();
            content[2999] ^= 1;
            assertThat(table.digestMatches(0, MemorySegment.ofArray(content))).isFalse();
            assertThat(table.digestMatches(0, MemorySegment.ofArray(content).asSlice(0, 2999)))
                    .isFalse();
        }
    }

    /** Two chunks of 4097 and 3 bytes, the first stored in 4097 bytes although it is compressed, which version 1 cannot say. */
    @Test
    void readsVersionTwo() throws Exception {
        var ci = ByteBuffer.allocate(48).order(ByteOrder.LITTLE_ENDIAN);
        ci.putLong(0L | 4096L << 32 | 1L << 56).putLong(0L | 4097L << 40).putLong(0);
        ci.putLong(2L | 2L << 32 | 0x10L << 56).putLong(4097L | 3L << 40).putLong(0xdeadbeefL);
        var blob = blob(BlobInfo.FEATURE_CHUNK_INFO_V2, 48, 2, 12288);
        var table = ChunkTable.of(blob, ci.array(), header(blob), new byte[64]);

        assertThat(table.uncompressedLength(0)).isEqualTo(4097);
        assertThat(table.compressedLength(0)).isEqualTo(4097);
        assertThat(table.compressed(0)).isTrue();
        assertThat(table.uncompressedOffset(1)).isEqualTo(8192);
        assertThat(table.uncompressedLength(1)).isEqualTo(3);
        assertThat(table.compressedOffset(1)).isEqualTo(4097);
        assertThat(table.compressed(1)).isFalse();

        ci.put(7, (byte) 3);
        assertThatThrownBy(() -> ChunkTable.of(blob, ci.array(), header(blob), new byte[64]))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("zran");
    }

    @Test
    void aTableOfAnotherBlobIsNoticed() throws Exception {
        var one = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", Corpus.incompressible(4096, 1))));
        var other = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", Corpus.incompressible(9096, 1))));
        var blob = one.bootstrap().blobs().getFirst();

        assertThatThrownBy(() -> ChunkTable.of(
                        blob,
                        other.stored(BlobSections.CHUNK_TABLE),
                        other.stored(BlobSections.CHUNK_TABLE_HEADER),
                        other.stored(BlobSections.DIGESTS)))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("differs from the bootstrap's");
    }

    private static BlobInfo blob(int feature, long ciBytes, int chunks, long deviceBytes) {
        return new BlobInfo(
                0,
                "0".repeat(64),
                1 << 20,
                chunks,
                Codec.ZSTD,
                DigestAlgorithm.SHA256,
                BlobInfo.FEATURE_ALIGNED | BlobInfo.FEATURE_CAP_TAR_TOC | feature,
                0,
                deviceBytes,
                10_000,
                ciBytes,
                ciBytes,
                Codec.NONE,
                0,
                0);
    }

    private static byte[] header(BlobInfo blob) {
        var header = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        header.put(0, HEADER_MAGIC).put(4092, HEADER_MAGIC);
        header.putInt(12, blob.chunkCount()).putLong(16, blob.ciOffset());
        header.putLong(24, blob.ciCompressedSize()).putLong(32, blob.ciUncompressedSize());
        return header.array();
    }
}
