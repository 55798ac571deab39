package dev.thaw.bench.jmh;

import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.ChunkDecoder;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerBlobWriter;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerOptions;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** One large file in Convert mode, its blob in memory: what reading costs when the network costs nothing. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
public class ChunkBenchmark {
    private static final int READ_BYTES = 4096;
    private static final byte[] NAME = "libjvm".getBytes(StandardCharsets.US_ASCII);

    @Param({"ZSTD", "LZ4_BLOCK", "NONE"})
    public Codec codec;

    @Param({"65536", "1048576"})
    public int chunkBytes;

    private final SplittableRandom random = new SplittableRandom(1);
    private final Arena arena = Arena.ofShared();
    private final ChunkDecoder decoder = new ChunkDecoder();
    private MemorySegment blob = MemorySegment.NULL;
    private MemorySegment chunk = MemorySegment.NULL;
    private MemorySegment read = MemorySegment.NULL;
    private long fileBytes;
    private long nid;

    @SuppressWarnings("NullAway.Init") // set up by JMH
    private Bootstrap bootstrap;

    @SuppressWarnings("NullAway.Init") // set up by JMH
    private ChunkTable table;

    /** Starts with the codec that is the default. */
    public ChunkBenchmark() {
        codec = Codec.ZSTD;
    }

    /** Converts a library of this JVM. */
    @Setup
    public void make() throws IOException, CorruptImageException {
        var content = Files.readAllBytes(Path.of(System.getProperty("java.home"), "lib", "server", "libjvm.so"));
        var out = new ByteArrayOutputStream();
        var options = new LayerOptions(chunkBytes, codec, DigestAlgorithm.SHA256, 3);
        try (var writer = new LayerBlobWriter(out, options)) {
            writer.add(
                    new LayerEntry(
                            NAME, LayerEntry.Kind.FILE, 0755, 0, 0, 0, 0, content.length, new byte[0], 0, 0, List.of()),
                    new ByteArrayInputStream(content));
            writer.finish();
        }
        var bytes = out.toByteArray();
        blob = arena.allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes));
        chunk = arena.allocate(chunkBytes);
        read = arena.allocate(READ_BYTES);
        fileBytes = content.length;
        bootstrap = Bootstrap.of(MemorySegment.ofArray(bootstrapOf(bytes)), "benchmark");
        table = ChunkTable.fromBootstrap(bootstrap, 0);
        nid = bootstrap.lookup(bootstrap.rootNid(), NAME).orElseThrow();
    }

    private static byte[] bootstrapOf(byte[] blob) throws CorruptImageException {
        var tail = Arrays.copyOfRange(blob, Math.max(0, blob.length - BlobSections.TAIL_BYTES), blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, "benchmark");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        var from = Math.toIntExact(section.offset());
        return sections.decode(section, Arrays.copyOfRange(blob, from, from + Math.toIntExact(section.storedSize())));
    }

    /** Frees it. */
    @TearDown
    public void free() {
        decoder.close();
        arena.close();
    }

    /** Decodes a chunk. */
    @Benchmark
    public int decode() throws CorruptImageException {
        return decode(random.nextInt(table.count()));
    }

    /** Decodes a chunk and checks its digest, as whenever one has come over the network. */
    @Benchmark
    public boolean decodeAndCheck() throws CorruptImageException {
        var i = random.nextInt(table.count());
        return table.digestMatches(i, chunk.asSlice(0, decode(i)));
    }

    /** Reads 4 KiB somewhere: finds the chunk, decodes and checks it, and copies out of it. */
    @Benchmark
    public MemorySegment readFourKibibytesAtRandom() throws CorruptImageException {
        var position = random.nextLong(fileBytes - READ_BYTES) & -READ_BYTES;
        var part = bootstrap.fileChunk(nid, (int) (position / chunkBytes));
        var length = decode(part.chunkIndex());
        if (!table.digestMatches(part.chunkIndex(), chunk.asSlice(0, length))) {
            throw new IllegalStateException("the chunk was not decoded well");
        }
        return read.copyFrom(chunk.asSlice(position % chunkBytes, READ_BYTES));
    }

    private int decode(int i) throws CorruptImageException {
        var length = table.uncompressedLength(i);
        decoder.decode(
                table, i, blob.asSlice(table.compressedOffset(i), table.compressedLength(i)), chunk.asSlice(0, length));
        return length;
    }
}
