package dev.thaw.bench.jmh;

import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapMerger;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerIndexWriter;
import dev.thaw.rafs.LayerOptions;
import dev.thaw.rafs.MergeLayer;
import dev.thaw.rafs.SpanTable;
import dev.thaw.rafs.gzip.GzipScan;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** One large file in a gzip layer that stays as it is: what finding the checkpoints costs, and reading from them. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
public class IndexBenchmark {
    private static final int SPAN_BYTES = 1 << 20;
    private static final int GRAIN_BYTES = SPAN_BYTES / 8;
    private static final int READ_BYTES = 4096;
    private static final int BUFFER_BYTES = 64 << 10;
    private static final byte[] NAME = "libjvm".getBytes(StandardCharsets.US_ASCII);
    private static final String LAYER_ID = "0".repeat(64);

    private final SplittableRandom random = new SplittableRandom(1);
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private final byte[] chunk = new byte[SPAN_BYTES];
    private byte[] layer = {};
    private long fileBytes;
    private long nid;

    @SuppressWarnings("NullAway.Init") // set up by JMH
    private Bootstrap bootstrap;

    @SuppressWarnings("NullAway.Init") // set up by JMH
    private ChunkTable table;

    @SuppressWarnings("NullAway.Init") // set up by JMH
    private SpanTable spans;

    /** Compresses a library of this JVM, and finds where it can be entered. */
    @Setup
    public void make() throws IOException, CorruptImageException {
        var content = Files.readAllBytes(Path.of(System.getProperty("java.home"), "lib", "server", "libjvm.so"));
        var stored = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(stored)) {
            gzip.write(content);
        }
        layer = stored.toByteArray();
        fileBytes = content.length;
        var blob = new ByteArrayOutputStream();
        var options = new LayerOptions(SPAN_BYTES, Codec.ZSTD, DigestAlgorithm.SHA256, 3);
        try (var scan = new GzipScan(new ByteArrayInputStream(layer), GRAIN_BYTES)) {
            var writer = new LayerIndexWriter(blob, options, scan, SPAN_BYTES);
            writer.add(
                    new LayerEntry(
                            NAME, LayerEntry.Kind.FILE, 0755, 0, 0, 0, 0, content.length, new byte[0], 0, 0, List.of()),
                    scan,
                    0);
            scan.transferTo(java.io.OutputStream.nullOutputStream());
            writer.finish(LAYER_ID, layer.length);
        }
        open(blob.toByteArray());
    }

    private void open(byte[] blob) throws IOException, CorruptImageException {
        var tail = Arrays.copyOfRange(blob, blob.length - BlobSections.TAIL_BYTES, blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, "benchmark");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        var own = Bootstrap.of(
                MemorySegment.ofArray(sections.decode(section, slice(blob, section.offset(), section.storedSize()))),
                "benchmark");
        var file = Files.createTempFile("thaw-bench-", ".boot");
        Files.delete(file);
        BootstrapMerger.merge(List.of(new MergeLayer(own, "1".repeat(64), blob.length)), file);
        bootstrap = Bootstrap.of(MemorySegment.ofArray(Files.readAllBytes(file)), "benchmark");
        Files.delete(file);
        table = ChunkTable.fromBootstrap(bootstrap, 0);
        nid = bootstrap.lookup(bootstrap.rootNid(), NAME).orElseThrow();
        var info = table.blob();
        var decoded = new ByteArrayOutputStream();
        SpanTable.decode(
                info, new ByteArrayInputStream(slice(blob, info.ciOffset(), info.ciCompressedSize())), decoded);
        spans = SpanTable.of(
                table,
                MemorySegment.ofArray(decoded.toByteArray()),
                slice(blob, info.ciOffset() + info.ciCompressedSize(), 4096));
    }

    private static byte[] slice(byte[] bytes, long from, long length) {
        return Arrays.copyOfRange(bytes, (int) from, (int) (from + length));
    }

    /** Frees it. */
    @TearDown
    public void free() {
        bootstrap.close();
    }

    /** Inflates the layer with zlib, which learns nothing of it. */
    @Benchmark
    public long inflate() throws IOException {
        try (var in = new GZIPInputStream(new ByteArrayInputStream(layer), BUFFER_BYTES)) {
            return drain(in);
        }
    }

    /** Inflates the layer and finds where it can be entered. */
    @Benchmark
    public long inflateAndFindCheckpoints() throws IOException {
        try (var in = new GzipScan(new ByteArrayInputStream(layer), GRAIN_BYTES)) {
            return drain(in);
        }
    }

    private long drain(InputStream in) throws IOException {
        long sum = 0;
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            sum += n;
        }
        return sum;
    }

    /** Inflates one whole span. */
    @Benchmark
    public long inflateASpan() throws IOException, CorruptImageException {
        var i = random.nextInt(table.count());
        read(i);
        return i;
    }

    /** Reads 4 KiB somewhere: finds the chunk, inflates its span as far as needed, checks the digest and copies out of it. */
    @Benchmark
    public int readFourKibibytesAtRandom() throws IOException, CorruptImageException {
        var position = random.nextLong(fileBytes - READ_BYTES) & -READ_BYTES;
        var part = bootstrap.fileChunk(nid, (int) (position / SPAN_BYTES));
        var content = read(part.chunkIndex());
        if (!table.digestMatches(part.chunkIndex(), content)) {
            throw new IllegalStateException("the chunk was not decoded well");
        }
        MemorySegment.copy(content, position % SPAN_BYTES, MemorySegment.ofArray(buffer), 0, READ_BYTES);
        return buffer[0];
    }

    private MemorySegment read(int i) throws IOException, CorruptImageException {
        var content = MemorySegment.ofArray(chunk).asSlice(0, table.uncompressedLength(i));
        var start = (int) spans.storedOffset(spans.spanOf(i));
        var end = (int) spans.storedEnd(spans.spanOf(i));
        try (var reader = spans.open(i, new ByteArrayInputStream(layer, start, end - start))) {
            reader.read(i, content);
        }
        return content;
    }
}
