package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The kernel as a judge: what it shows of a mounted bootstrap must be what went into the layers. */
class KernelErofsIT {
    private static final int ENODEV = 19;
    private static final int ENOTBLK = 15;
    private static final int NOT_FOUND = 127;

    @TempDir
    Path directory;

    private Path mountPoint;

    @BeforeAll
    static void needsRootAndFileBackedErofs(@TempDir Path probe) throws Exception {
        assumeTrue(Linux.isRoot(), "mounting needs root");
        var layer = Built.of(Built.SMALL_CHUNKS, List.of(Item.file("probe", "")));
        var merged = BootstrapMerger.merge(List.of(layer.toMerge()), probe.resolve("boot"));
        var target = Files.createDirectory(probe.resolve("mnt")).toString();
        try {
            Linux.mountErofs(merged.file().toString(), List.of(), target);
            Linux.unmount(target);
        } catch (Linux.CallFailed e) {
            if (e.errno() == ENODEV || e.errno() == ENOTBLK) {
                abort("this kernel does not mount EROFS from files (CONFIG_EROFS_FS_BACKED_BY_FILE): "
                        + e.getMessage());
            }
            throw e;
        }
    }

    @BeforeEach
    void makeMountPoint() throws IOException {
        mountPoint = Files.createDirectory(directory.resolve("mnt"));
    }

    @ParameterizedTest
    @CsvSource({"NONE,BLAKE3,4096", "LZ4_BLOCK,SHA256,65536", "ZSTD,SHA256,4096", "ZSTD,SHA256,1048576"})
    void showsTheCorpusAsItWentIn(Codec codec, DigestAlgorithm digest, int chunkSize) throws Exception {
        var options = new LayerOptions(chunkSize, codec, digest, 3);
        var items = List.of(Corpus.lower(chunkSize), Corpus.upper(chunkSize));
        var layers = List.of(Built.of(options, items.get(0)), Built.of(options, items.get(1)));
        var merged = merge(layers);

        var seen = mounted(merged, devices(merged, layers));

        assertSame(seen, ExpectedTree.ofImage(items));
    }

    @Test
    void showsTheSameFromOneFlatFileWithoutDevices() throws Exception {
        var items = List.of(Corpus.lower(4096), Corpus.upper(4096));
        var layers = List.of(Built.of(Built.SMALL_CHUNKS, items.get(0)), Built.of(Built.SMALL_CHUNKS, items.get(1)));
        var merged = merge(layers);
        try (var flat = FileChannel.open(merged.file(), StandardOpenOption.WRITE)) {
            for (var blob : merged.blobs()) {
                DeviceFiles.writeAt(layerOf(blob, layers), flat, blob.mappedBlock() * 4096);
            }
        }

        assertSame(mounted(merged, List.of()), ExpectedTree.ofImage(items));
    }

    @Test
    void showsALayersOwnBootstrapWithItsWhiteoutsAsFiles() throws Exception {
        var items = Corpus.upper(4096);
        var layer = Built.of(Built.SMALL_CHUNKS, items);
        var file = directory.resolve("layer.boot");
        Files.write(
                file,
                layer.sections()
                        .decode(layer.sections().entry(BlobSections.BOOTSTRAP), layer.stored(BlobSections.BOOTSTRAP)));
        var device = directory.resolve("layer.device");
        DeviceFiles.write(layer, device);

        assertSame(mounted(file, List.of(device.toString())), ExpectedTree.ofLayer(items));
    }

    @Test
    void showsManyLayers() throws Exception {
        var items = new ArrayList<List<Item>>();
        var layers = new ArrayList<Built>();
        for (int i = 0; i < 100; i++) {
            items.add(List.of(
                    Item.file("shared/file-" + i, "layer " + i),
                    Item.file("own-" + i + "/file", Corpus.incompressible(10_000, i))));
            layers.add(Built.of(Built.SMALL_CHUNKS, items.getLast()));
        }
        var merged = merge(layers);

        assertThat(merged.blobs()).hasSize(100);
        assertSame(mounted(merged, devices(merged, layers)), ExpectedTree.ofImage(items));
    }

    @Test
    void passesFsckErofs() throws Exception {
        var layers = List.of(
                Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096)), Built.of(Built.SMALL_CHUNKS, Corpus.upper(4096)));
        var merged = merge(layers);
        var command = new ArrayList<>(List.of("fsck.erofs", "--extract"));
        for (String device : devices(merged, layers)) {
            command.add("--device=" + device);
        }
        command.add(merged.file().toString());

        var fsck = run(command);
        if (fsck.exit == NOT_FOUND) {
            abort("fsck.erofs is not installed (Debian: erofs-utils)");
        }
        if (fsck.output.contains("unrecognized option")) {
            abort("this fsck.erofs does not know --device");
        }
        assertThat(fsck.exit).as(fsck.output).isZero();
    }

    private record Finished(int exit, String output) {}

    private static Finished run(List<String> command) throws IOException, InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            return new Finished(NOT_FOUND, String.valueOf(e.getMessage()));
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly().waitFor();
        }
        return new Finished(process.exitValue(), output);
    }

    private MergedBootstrap merge(List<Built> layers) throws Exception {
        var merged =
                BootstrapMerger.merge(layers.stream().map(Built::toMerge).toList(), directory.resolve("merged.boot"));
        try (var bootstrap = Bootstrap.open(merged.file())) {
            BootstrapChecker.check(bootstrap);
        }
        return merged;
    }

    private static Built layerOf(BlobInfo blob, List<Built> layers) {
        return layers.stream()
                .filter(layer -> layer.summary().digest().equals(blob.id()))
                .findFirst()
                .orElseThrow();
    }

    private List<String> devices(MergedBootstrap merged, List<Built> layers) throws Exception {
        var devices = new ArrayList<String>();
        for (var blob : merged.blobs()) {
            var device = directory.resolve("device-" + blob.index());
            DeviceFiles.write(layerOf(blob, layers), device);
            devices.add(device.toString());
        }
        return devices;
    }

    private Map<String, Seen> mounted(MergedBootstrap merged, List<String> devices) throws Exception {
        return mounted(merged.file(), devices);
    }

    private Map<String, Seen> mounted(Path bootstrap, List<String> devices) throws Exception {
        Linux.mountErofs(bootstrap.toString(), devices, mountPoint.toString());
        try {
            return Linux.tree(mountPoint.toString());
        } finally {
            Linux.unmount(mountPoint.toString());
        }
    }

    /** Compares file by file, for a difference between whole maps is too long to be read. */
    private static void assertSame(Map<String, Seen> actual, Map<String, Seen> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((path, seen) -> assertThat(actual.get(path)).as(path).isEqualTo(seen));
    }
}
