package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.rafs.LayerEntry.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What nydus, erofs-utils and the kernel make of our images, for every option that a conversion has. */
@EnabledIfSystemProperty(
        named = Peers.PROPERTY,
        matches = ".+",
        disabledReason = "the peers' tools are an opt-in: ./mvnw -Ppeers -pl rafs -am verify")
@ParameterizedClass(name = "chunks of {0}, {1}, {2}")
@MethodSource("options")
class PeersIT {
    private static final Set<Kind> NOT_UNPACKED = EnumSet.of(
            Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE, Kind.FIFO, Kind.SOCKET); // nydus-image unpack panics on them

    @TempDir
    static Path temp;

    private static Path directory;
    private static Image image;
    private static Image layer;

    /** A merged image in files: {@code blobs} by their ids, {@code devices} uncompressed. */
    private record Image(MergedBootstrap merged, Path blobs, List<String> devices, Map<String, Seen> expected) {
        static Image of(LayerOptions options, List<List<Item>> items, Path directory) throws Exception {
            var blobs = Files.createDirectories(directory.resolve("blobs"));
            var toMerge = new ArrayList<MergeLayer>();
            var layers = new ArrayList<Built>();
            for (var layer : items) {
                var built = Built.inParallel(options, layer, 2);
                Files.write(blobs.resolve(built.summary().digest()), built.blob());
                toMerge.add(built.toMerge());
                layers.add(built);
            }
            var merged = BootstrapMerger.merge(toMerge, directory.resolve("bootstrap"));
            var devices = new ArrayList<String>();
            for (var blob : merged.blobs()) {
                var device = directory.resolve("device-" + blob.index());
                for (var built : layers) {
                    if (built.summary().digest().equals(blob.id()) && !Files.exists(device)) {
                        DeviceFiles.write(built, device);
                    }
                }
                devices.add(device.toString());
            }
            return new Image(merged, blobs, devices, ExpectedTree.ofImage(items));
        }
    }

    static Stream<Arguments> options() {
        return Stream.of(64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20)
                .flatMap(chunk -> Stream.of(Codec.ZSTD, Codec.LZ4_BLOCK, Codec.NONE)
                        .flatMap(codec ->
                                Stream.of(DigestAlgorithm.values()).map(digest -> Arguments.of(chunk, codec, digest))));
    }

    @Parameter(0)
    int chunkSizeBytes;

    @Parameter(1)
    Codec codec;

    @Parameter(2)
    DigestAlgorithm digest;

    @BeforeParameterizedClassInvocation
    static void build(int chunkSizeBytes, Codec codec, DigestAlgorithm digest) throws Exception {
        directory = Files.createDirectory(temp.resolve(chunkSizeBytes + "-" + codec + "-" + digest));
        var options = new LayerOptions(chunkSizeBytes, codec, digest, 3);
        var lower = Corpus.lower(chunkSizeBytes);
        image = Image.of(options, List.of(lower, Corpus.upper(chunkSizeBytes)), directory.resolve("image"));
        var unpackable = lower.stream()
                .filter(item -> !NOT_UNPACKED.contains(item.entry().kind()))
                .toList();
        layer = Image.of(options, List.of(unpackable), directory.resolve("layer"));
    }

    @AfterParameterizedClassInvocation
    static void delete() throws IOException {
        try (var files = Files.walk(directory)) {
            for (var file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    @Test
    void nydusImageChecks() throws Exception {
        var options = new LayerOptions(chunkSizeBytes, codec, digest, 3);
        var items = List.of(Corpus.withoutAcls(Corpus.lower(chunkSizeBytes)), Corpus.upper(chunkSizeBytes));
        var merged = Image.of(options, items, directory.resolve("checked")).merged;

        var check = Peers.run(
                "nydus-image", List.of("check", "--bootstrap", merged.file().toString()));

        assertThat(check.exit()).as(check.output()).isZero();
        for (var blob : merged.blobs()) {
            assertThat(check.output()).contains(blob.id());
        }
    }

    @Test
    void nydusImageUnpacksTheSameTree() throws Exception {
        var tar = directory.resolve("unpacked.tar");
        var blob = layer.blobs.resolve(layer.merged.blobs().getFirst().id());
        var unpack = Peers.run(
                "nydus-image",
                List.of(
                        "unpack",
                        "--bootstrap",
                        layer.merged.file().toString(),
                        "--blob",
                        blob.toString(),
                        "--output",
                        tar.toString()));

        assertThat(unpack.exit()).as(unpack.output()).isZero();
        MountedErofs.assertSame(UnpackedTar.read(tar), UnpackedTar.asInTar(layer.expected));
    }

    @Test
    void fsckErofsFindsNothingWrong() {
        var arguments = new ArrayList<>(List.of("--extract"));
        image.devices.forEach(device -> arguments.add("--device=" + device));
        arguments.add(image.merged.file().toString());

        var fsck = Peers.run("fsck.erofs", arguments);

        assertThat(fsck.exit()).as(fsck.output()).isZero();
    }

    @Test
    void dumpErofsCountsWhatIsThere() {
        var arguments = new ArrayList<>(List.of("-s"));
        image.devices.forEach(device -> arguments.add("--device=" + device));
        arguments.add(image.merged.file().toString());

        var dump = Peers.run("dump.erofs", arguments);

        assertThat(dump.exit()).as(dump.output()).isZero();
        long inodes =
                image.expected.values().stream().map(Seen::firstName).distinct().count();
        assertThat(dump.output()).containsPattern("inode count: +" + inodes + "\n");
        assertThat(dump.output()).contains("chunked_file", "device_table");
    }

    @Test
    void theKernelShowsTheSameTree() throws Exception {
        MountedErofs.require(Files.createDirectory(directory.resolve("probe")));

        var seen = MountedErofs.tree(
                image.merged.file(), image.devices, Files.createDirectory(directory.resolve("kernel")));

        MountedErofs.assertSame(seen, image.expected);
    }

    @Test
    void nydusdShowsTheSameTreeAndValidatesEveryChunk() throws Exception {
        Peers.require("nydusd");
        assumeTrue(Linux.isRoot() && Files.exists(Path.of("/dev/fuse")), "mounting FUSE needs root and /dev/fuse");
        var work = Files.createDirectory(directory.resolve("nydusd"));

        for (var cache : List.of("cold", "warm")) {
            try (var nydusd = Nydusd.mount(image.merged.file(), image.blobs, work)) {
                var seen = nydusd.tree();
                // nydusd itself answers for the root, taking write permission of others away, and shows now for the
                // time 0.
                seen.put("", image.expected.get(""));
                seen.replaceAll((path, file) -> timeOf(image.expected.get(path), file));
                assertThat(seen.keySet()).as(cache).isEqualTo(image.expected.keySet());
                MountedErofs.assertSame(seen, image.expected);
            }
        }
    }

    private static Seen timeOf(Seen expected, Seen seen) {
        return expected == null || expected.mtimeSeconds() != 0
                ? seen
                : new Seen(
                        seen.mode(),
                        seen.uid(),
                        seen.gid(),
                        0,
                        seen.mtimeNanos(),
                        seen.nlink(),
                        seen.sizeBytes(),
                        seen.target(),
                        seen.rdev(),
                        seen.xattrs(),
                        seen.content(),
                        seen.firstName());
    }
}
