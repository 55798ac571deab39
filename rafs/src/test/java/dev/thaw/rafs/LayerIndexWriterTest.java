package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.ZstdCompressCtx;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LayerIndexWriterTest {
    private static final Map<String, byte[]> FILES = IndexedLayer.sampleFiles();

    @TempDir
    private Path temp;

    private void assertReadable(IndexedLayer layer) throws Exception {
        var bootstrap = layer.bootstrap(temp);
        BootstrapChecker.check(bootstrap);
        var chunks = ChunkTable.fromBootstrap(bootstrap, 0);
        var info = chunks.blob();
        assertThat(info.id()).isEqualTo(layer.id);
        assertThat(info.compressedSize()).isEqualTo(layer.stored.length);
        assertThat(info.tableId()).isEqualTo(layer.written.digest());
        assertThat(info.tableBlobBytes()).isEqualTo(layer.blob.length);
        var spans = info.hasSpans() ? layer.spans(chunks) : null;
        for (var file : layer.files.entrySet()) {
            long nid = bootstrap.resolve("/" + file.getKey()).orElseThrow();
            var content = new ByteArrayOutputStream();
            for (int i = 0; i < bootstrap.chunkCount(nid); i++) {
                int chunk = bootstrap.fileChunk(nid, i).chunkIndex();
                byte[] bytes = layer.chunk(chunks, spans, chunk);
                assertThat(chunks.digestMatches(chunk, MemorySegment.ofArray(bytes)))
                        .isTrue();
                content.write(bytes);
            }
            assertThat(content.toByteArray()).as(file.getKey()).isEqualTo(file.getValue());
        }
    }

    @Test
    void everyChunkIsReadFromItsSpanOfTheLayer() throws Exception {
        var layer = IndexedLayer.of(FILES, IndexedLayer.GZIP);

        assertReadable(layer);

        assertThat(layer.written.duplicateBytes()).isEqualTo(1_500_001);
        assertThat(layer.blob.length).isLessThan(layer.stored.length / 5);
    }

    @Test
    void aLayerThatIsNotCompressedIsReadInPlace() throws Exception {
        assertReadable(IndexedLayer.plain(FILES));
    }

    @Test
    void layersOfStoredBlocksAndOfManyMembersAreRead() throws Exception {
        assertReadable(IndexedLayer.of(FILES, tar -> {
            var out = new ByteArrayOutputStream();
            try (var gzip = new GZIPOutputStream(out) {
                {
                    def.setLevel(Deflater.NO_COMPRESSION);
                }
            }) {
                gzip.write(tar);
            }
            return out.toByteArray();
        }));
        assertReadable(IndexedLayer.of(FILES, tar -> {
            var out = new ByteArrayOutputStream();
            for (int at = 0; at < tar.length; at += 123_456) {
                out.write(IndexedLayer.GZIP.compress(Arrays.copyOfRange(tar, at, Math.min(tar.length, at + 123_456))));
            }
            return out.toByteArray();
        }));
    }

    @ParameterizedTest
    @ValueSource(ints = {1000, 50_000, 123_456, 2_000_000, 16_000_000})
    void zstdIsReadFromTheFramesThatHaveAChunk(int frameBytes) throws Exception {
        var layer = IndexedLayer.zstd(FILES, frames(frameBytes));

        assertReadable(layer);

        assertThat(ChunkTable.fromBootstrap(layer.bootstrap(temp), 0).blob().codec())
                .isEqualTo(Codec.ZSTD);
    }

    /** Each of so many bytes, some with a checksum, with a frame that is to be skipped in front and another behind. */
    private static IndexedLayer.Compression frames(int frameBytes) {
        return tar -> {
            byte[] skipped = {0x5e, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 9, 9, 9, 9};
            var out = new ByteArrayOutputStream();
            out.write(skipped);
            try (var zstd = new ZstdCompressCtx()) {
                for (int at = 0; at < tar.length; at += frameBytes) {
                    zstd.setChecksum(at / frameBytes % 2 == 0);
                    out.write(zstd.compress(Arrays.copyOfRange(tar, at, Math.min(tar.length, at + frameBytes))));
                }
            }
            out.write(skipped);
            return out.toByteArray();
        };
    }

    @Test
    void zstdOfOneLongFrameIsRefused() {
        assertThatThrownBy(() ->
                        IndexedLayer.zstd(Map.of("zeros", noiseAfter(new byte[20 << 20])), frames(Integer.MAX_VALUE)))
                .isInstanceOf(NotIndexableException.class)
                .hasMessageContaining("frame of more than 16 MiB");
    }

    @Test
    void zstdThatIsCutOrSpoiltIsNoLayer() throws Exception {
        assertThatThrownBy(() -> IndexedLayer.zstd(FILES, tar -> {
                    byte[] whole = frames(50_000).compress(tar);
                    return Arrays.copyOf(whole, whole.length - 20);
                }))
                .isInstanceOf(EOFException.class);
        assertThatThrownBy(() -> IndexedLayer.zstd(FILES, tar -> {
                    byte[] whole = frames(50_000).compress(tar);
                    Arrays.fill(whole, whole.length / 2, whole.length / 2 + 100, (byte) 7);
                    return whole;
                }))
                .isInstanceOf(ZipException.class);
    }

    @Test
    void aRunOfSpansIsReadInOneGo() throws Exception {
        for (var layer :
                List.of(IndexedLayer.of(FILES, IndexedLayer.GZIP), IndexedLayer.zstd(FILES, frames(150_000)))) {
            assertReadInOneGo(layer);
        }
    }

    private void assertReadInOneGo(IndexedLayer layer) throws Exception {
        var chunks = ChunkTable.fromBootstrap(layer.bootstrap(temp), 0);
        var spans = layer.spans(chunks);
        assertThat(spans.count()).isGreaterThan(8);

        int start = (int) spans.storedOffset(spans.spanOf(3));
        int end = (int) spans.storedEnd(spans.spanOf(chunks.count() - 1));
        try (var reader = spans.open(3, new ByteArrayInputStream(layer.stored, start, end - start))) {
            for (int chunk = 3; chunk < chunks.count(); chunk += 1 + chunk % 3) {
                var content = MemorySegment.ofArray(new byte[chunks.uncompressedLength(chunk)]);
                reader.read(chunk, content);
                assertThat(chunks.digestMatches(chunk, content)).isTrue();
            }
        }
    }

    @Test
    void spansAreNotMuchLongerThanAskedAndBeginAtAllBits() throws Exception {
        var layer = IndexedLayer.of(FILES, IndexedLayer.GZIP);
        var chunks = ChunkTable.fromBootstrap(layer.bootstrap(temp), 0);
        var table = new Image(MemorySegment.ofArray(layer.decodedTable(chunks.blob())), "table");

        var bits = new TreeSet<Integer>();
        long start = (long) chunks.count() * CiEntry.V2_BYTES;
        int count = layer.spans(chunks).count();
        for (int i = 0; i < count; i++) {
            var span = Span.read(table, start + (long) i * Span.BYTES);
            bits.add(span.bits());
            assertThat(span.outLength()).isLessThanOrEqualTo(IndexedLayer.SPAN_BYTES + (96 << 10));
        }
        assertThat(bits).hasSizeGreaterThan(5);
    }

    @Test
    void theSameLayerMakesTheSameBlob() throws Exception {
        assertThat(IndexedLayer.of(FILES, IndexedLayer.GZIP).blob)
                .isEqualTo(IndexedLayer.of(FILES, IndexedLayer.GZIP).blob);
    }

    @Test
    void aLayerWithoutContentHasOnlyABootstrap() throws Exception {
        var layer = IndexedLayer.of(Map.of("empty", new byte[0]), IndexedLayer.GZIP);

        assertThat(layer.bootstrap(temp).blobs()).isEmpty();
    }

    @Test
    void aLayerThatCannotBeEnteredIsRefused() {
        byte[] zeros = new byte[80 << 20];
        assertThatThrownBy(() -> IndexedLayer.of(Map.of("zeros", noiseAfter(zeros)), tar -> oneBlock(tar)))
                .isInstanceOf(NotIndexableException.class)
                .hasMessageContaining("deflate block");
    }

    /** So that the chunks behind the zeros differ from those before. */
    private static byte[] noiseAfter(byte[] content) {
        byte[] end = new byte[100_000];
        new Random(2).nextBytes(end);
        System.arraycopy(end, 0, content, content.length - end.length, end.length);
        return content;
    }

    /** A gzip stream of one block of fixed codes, made of literals and of matches with the byte before. */
    private static byte[] oneBlock(byte[] plain) {
        var bits = new BitSink();
        bits.put(1, 1);
        bits.put(1, 2);
        for (int i = 0; i < plain.length; ) {
            int run = 0;
            while (i > 0 && i + run < plain.length && run < 258 && plain[i + run] == plain[i - 1]) {
                run++;
            }
            if (run == 258) {
                bits.code(0b11000101, 8); // length 258
                bits.code(0, 5); // distance 1
                i += run;
            } else {
                int literal = plain[i++] & 0xff;
                bits.code(literal < 144 ? 0x30 + literal : 0x190 + literal - 144, literal < 144 ? 8 : 9);
            }
        }
        bits.code(0, 7);
        return bits.gzip(plain);
    }

    private static final class BitSink {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();
        private int held;
        private int count;

        BitSink() {
            out.writeBytes(new byte[] {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, 3});
        }

        void put(int value, int bits) {
            held |= value << count;
            count += bits;
            while (count >= 8) {
                out.write(held);
                held >>>= 8;
                count -= 8;
            }
        }

        /** Codes come with their first bit first. */
        void code(int code, int bits) {
            put(Integer.reverse(code) >>> (32 - bits), bits);
        }

        byte[] gzip(byte[] plain) {
            put(0, 7);
            var crc = new java.util.zip.CRC32();
            crc.update(plain);
            for (int shift = 0; shift < 32; shift += 8) {
                out.write((int) (crc.getValue() >>> shift));
            }
            for (int shift = 0; shift < 32; shift += 8) {
                out.write(plain.length >>> shift);
            }
            return out.toByteArray();
        }
    }

    @Test
    void aForgedTableIsRefusedOrItsChunksAre() throws Exception {
        var layer = IndexedLayer.of(FILES, IndexedLayer.GZIP);
        var chunks = ChunkTable.fromBootstrap(layer.bootstrap(temp), 0);
        byte[] table = layer.decodedTable(chunks.blob());
        byte[] header = layer.tableHeader(chunks.blob());
        int spanBytes = layer.spans(chunks).count() * Span.BYTES;
        int structured = chunks.count() * CiEntry.V2_BYTES + spanBytes;
        var random = new Random(9);
        int refused = 0;
        for (int round = 0; round < 400; round++) {
            byte[] forged = table.clone();
            for (int i = 0; i <= round % 3; i++) {
                forged[random.nextInt(structured)] = (byte) random.nextInt();
            }
            var spans = open(chunks, forged, header);
            if (spans == null) {
                refused++;
                continue;
            }
            for (int i = 0; i < 5; i++) {
                int chunk = random.nextInt(chunks.count());
                try {
                    byte[] content = layer.chunk(chunks, spans, chunk);
                    boolean isRight = Arrays.equals(content, layer.chunk(chunks, layer.spans(chunks), chunk));
                    assertThat(chunks.digestMatches(chunk, MemorySegment.ofArray(content)))
                            .isEqualTo(isRight);
                } catch (CorruptImageException e) {
                    refused++;
                }
            }
        }
        assertThat(refused).isPositive();
    }

    private static @Nullable SpanTable open(ChunkTable chunks, byte[] table, byte[] header) {
        try {
            return SpanTable.of(chunks, MemorySegment.ofArray(table), header);
        } catch (CorruptImageException e) {
            assertThat(e.offset()).isGreaterThanOrEqualTo(-1);
            return null;
        }
    }

    @Test
    void aTableThatIsCutOrTooLongIsRefused() throws Exception {
        var layer = IndexedLayer.of(FILES, IndexedLayer.GZIP);
        var chunks = ChunkTable.fromBootstrap(layer.bootstrap(temp), 0);
        var info = chunks.blob();
        byte[] stored = layer.slice(info.ciOffset(), info.ciCompressedSize());

        assertThatThrownBy(() -> SpanTable.decode(
                        info, new ByteArrayInputStream(stored, 0, stored.length / 2), new ByteArrayOutputStream()))
                .isInstanceOfAny(CorruptImageException.class, IOException.class);
        assertThatThrownBy(() -> SpanTable.decode(
                        info,
                        new ByteArrayInputStream("no table at all".getBytes(StandardCharsets.US_ASCII)),
                        new ByteArrayOutputStream()))
                .isInstanceOf(CorruptImageException.class);
        byte[] table = layer.decodedTable(info);
        assertThat(open(chunks, Arrays.copyOf(table, table.length - 1), layer.tableHeader(info)))
                .isNull();
    }
}
