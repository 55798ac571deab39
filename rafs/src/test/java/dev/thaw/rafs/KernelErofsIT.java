package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The kernel as a judge: what it shows of a mounted bootstrap must be what went into the layers. */
class KernelErofsIT {
    @TempDir
    Path directory;

    private Path mountPoint;

    @BeforeAll
    static void needsRootAndFileBackedErofs(@TempDir Path probe) throws Exception {
        MountedErofs.require(probe);
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

        MountedErofs.assertSame(seen, ExpectedTree.ofImage(items));
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

        MountedErofs.assertSame(mounted(merged, List.of()), ExpectedTree.ofImage(items));
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

        MountedErofs.assertSame(mounted(file, List.of(device.toString())), ExpectedTree.ofLayer(items));
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
        MountedErofs.assertSame(mounted(merged, devices(merged, layers)), ExpectedTree.ofImage(items));
    }

    @Test
    void passesFsckErofs() throws Exception {
        var layers = List.of(
                Built.of(Built.SMALL_CHUNKS, Corpus.lower(4096)), Built.of(Built.SMALL_CHUNKS, Corpus.upper(4096)));
        var merged = merge(layers);
        var arguments = new ArrayList<>(List.of("--extract"));
        for (String device : devices(merged, layers)) {
            arguments.add("--device=" + device);
        }
        arguments.add(merged.file().toString());

        var fsck = Peers.run("fsck.erofs", arguments);
        if (fsck.output().contains("unrecognized option")) {
            abort("this fsck.erofs does not know --device");
        }
        assertThat(fsck.exit()).as(fsck.output()).isZero();
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
        return MountedErofs.tree(bootstrap, devices, mountPoint);
    }
}
