package dev.thaw.bench.jmh;

import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.ChunkTable;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerBlobWriter;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerOptions;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
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

/** The file tree of an image with very many files: how long it takes to open, and to find a path in it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xmx3g", "--enable-native-access=ALL-UNNAMED"})
public class BootstrapBenchmark {
    private static final int FILES_IN_A_FOLDER = 1000;

    /** Files of the image, in folders of a thousand. */
    @Param("1000000")
    public int files;

    private final SplittableRandom random = new SplittableRandom(1);
    private Path file = Path.of("");

    @SuppressWarnings("NullAway.Init") // set up by JMH
    private Bootstrap bootstrap;

    /** Makes the image. */
    @Setup
    public void make() throws IOException, CorruptImageException {
        file = Files.createTempFile("thaw-bench-", ".boot");
        Files.delete(file);
        var options = new LayerOptions(1 << 20, Codec.NONE, DigestAlgorithm.SHA256, 3);
        try (var writer = new LayerBlobWriter(OutputStream.nullOutputStream(), options)) {
            for (int i = 0; i < files; i++) {
                var content = Integer.toString(i).getBytes(StandardCharsets.US_ASCII);
                writer.add(entry(path(i).substring(1), content.length), new ByteArrayInputStream(content));
            }
            writer.finish(file);
        }
        bootstrap = Bootstrap.open(file);
    }

    private static LayerEntry entry(String path, int size) {
        return new LayerEntry(
                path.getBytes(StandardCharsets.US_ASCII),
                LayerEntry.Kind.FILE,
                0644,
                0,
                0,
                0,
                0,
                size,
                new byte[0],
                0,
                0,
                List.of());
    }

    private static String path(int i) {
        return "/usr/lib/packages/package%04d/module%06d.py".formatted(i / FILES_IN_A_FOLDER, i);
    }

    /** Deletes it. */
    @TearDown
    public void delete() throws IOException {
        bootstrap.close();
        Files.delete(file);
    }

    /** Maps it, checks its tables and looks at the root. */
    @Benchmark
    public long open() throws IOException, CorruptImageException {
        try (var opened = Bootstrap.open(file)) {
            return opened.inode(opened.rootNid()).mtimeSeconds();
        }
    }

    /** Walks down five names to a file. */
    @Benchmark
    public long lookUpAPath() throws CorruptImageException {
        return bootstrap.resolve(path(random.nextInt(files))).orElseThrow();
    }

    /** What a mount needs beside: where each chunk lies in its blob, and its digest. */
    @Benchmark
    public int readTheChunkTable() throws CorruptImageException {
        return ChunkTable.fromBootstrap(bootstrap, 0).count();
    }
}
