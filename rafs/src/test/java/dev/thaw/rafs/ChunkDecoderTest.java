package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.Zstd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import net.jpountz.lz4.LZ4Factory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChunkDecoderTest {
    private static final byte[] CONTENT = Corpus.compressible(100_000);

    private final ChunkDecoder decoder = new ChunkDecoder();

    @AfterEach
    void close() {
        decoder.close();
    }

    private static byte[] pack(Codec codec) {
        return switch (codec) {
            case NONE -> CONTENT;
            case ZSTD -> Zstd.compress(CONTENT);
            case LZ4_BLOCK -> LZ4Factory.fastestInstance().fastCompressor().compress(CONTENT);
            case GZIP -> throw new IllegalArgumentException();
        };
    }

    @ParameterizedTest
    @EnumSource(names = {"NONE", "ZSTD", "LZ4_BLOCK"})
    void decodesBetweenAnyKindsOfMemory(Codec codec) throws Exception {
        try (var arena = Arena.ofConfined()) {
            var array = MemorySegment.ofArray(pack(codec));
            var outer = new byte[array.toArray(ValueLayout.JAVA_BYTE).length + 20];
            MemorySegment.ofArray(outer).asSlice(7).copyFrom(array);
            var sources = List.of(
                    array,
                    array.asReadOnly(),
                    MemorySegment.ofArray(outer).asSlice(7, array.byteSize()),
                    arena.allocate(array.byteSize()).copyFrom(array),
                    arena.allocate(array.byteSize()).copyFrom(array).asReadOnly());
            for (var source : sources) {
                for (var out : List.of(
                        arena.allocate(CONTENT.length),
                        MemorySegment.ofArray(new byte[CONTENT.length]),
                        MemorySegment.ofArray(new byte[CONTENT.length + 9]).asSlice(5, CONTENT.length))) {
                    assertThat(decoder.decode(codec, source, out)).isEqualTo(CONTENT.length);
                    assertThat(out.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(CONTENT);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"NONE", "ZSTD", "LZ4_BLOCK"})
    void refusesAnyOtherLength(Codec codec) {
        var packed = MemorySegment.ofArray(pack(codec));

        for (int length : new int[] {CONTENT.length - 1, CONTENT.length + 1, 0}) {
            assertThatThrownBy(() -> decoder.decode(codec, packed, MemorySegment.ofArray(new byte[length])))
                    .isInstanceOf(CorruptImageException.class);
        }
        var cut = packed.asSlice(0, packed.byteSize() - 1);
        assertThatThrownBy(() -> decoder.decode(codec, cut, MemorySegment.ofArray(new byte[CONTENT.length])))
                .isInstanceOf(CorruptImageException.class);
    }

    @Test
    void servesManyThreadsAtOnce() throws Exception {
        var packed = MemorySegment.ofArray(pack(Codec.ZSTD));
        var results = new ArrayList<Future<Boolean>>();
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 200; i++) {
                results.add(executor.submit(() -> {
                    byte[] out = new byte[CONTENT.length];
                    decoder.decode(Codec.ZSTD, packed, MemorySegment.ofArray(out));
                    return Arrays.equals(out, CONTENT);
                }));
            }
        }
        for (var result : results) {
            assertThat(result.get()).isTrue();
        }
    }

    @Test
    void saysWhichChunkCannotBeDecoded() throws Exception {
        var table = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("a", Corpus.compressible(4096))))
                .chunkTable();
        var garbage = MemorySegment.ofArray(new byte[table.compressedLength(0)]);

        assertThatThrownBy(() -> decoder.decode(table, 0, garbage, MemorySegment.ofArray(new byte[4096])))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("chunk 0");
    }

    @Test
    void refusesWorkAfterItIsClosed() {
        decoder.close();

        assertThatThrownBy(() -> decoder.decode(
                        Codec.ZSTD,
                        MemorySegment.ofArray(pack(Codec.ZSTD)),
                        MemorySegment.ofArray(new byte[CONTENT.length])))
                .isInstanceOf(IllegalStateException.class);
    }
}
