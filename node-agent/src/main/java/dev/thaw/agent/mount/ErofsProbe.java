package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.fetch.Device;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapMerger;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerBlobWriter;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerOptions;
import dev.thaw.rafs.MergeLayer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Tries whether this kernel mounts EROFS from files, with a device on FUSE: makes an image of one file, and reads it. */
final class ErofsProbe {
    private static final String NAME = "probe";
    private static final byte[] CONTENT = "thaw\n".getBytes(StandardCharsets.US_ASCII);

    private ErofsProbe() {}

    private record Constant(long sizeBytes) implements Device {
        @Override
        public boolean readCached(long offset, int length, MemorySegment target) {
            target.asSlice(0, length).fill((byte) 0);
            if (offset == 0) {
                MemorySegment.copy(CONTENT, 0, target, ValueLayout.JAVA_BYTE, 0, Math.min(CONTENT.length, length));
            }
            return true;
        }

        @Override
        public void read(long offset, int length, MemorySegment target) {
            readCached(offset, length, target);
        }
    }

    static void run(ErofsDriver driver, Path root) throws MountFailed {
        var layerFile = root.resolve("probe.layer");
        var imageFile = root.resolve("probe.boot");
        try {
            write(layerFile, imageFile);
            try (var image = Bootstrap.open(imageFile)) {
                var device = new Constant(image.blobs().getFirst().uncompressedSize());
                var point = driver.mount(new MountableImage(NAME, imageFile, image, List.of(device)));
                try {
                    if (!Arrays.equals(Files.readAllBytes(point.resolve("f")), CONTENT)) {
                        throw new MountFailed(point, "a file that was read through EROFS has the wrong content", null);
                    }
                } finally {
                    driver.unmount(NAME);
                }
            }
        } catch (IOException | CorruptImageException e) {
            throw new MountFailed(root, "trying EROFS failed: " + e.getMessage(), e);
        } finally {
            delete(layerFile);
            delete(imageFile);
        }
    }

    private static void write(Path layerFile, Path imageFile) throws IOException, CorruptImageException {
        Files.deleteIfExists(layerFile);
        Files.deleteIfExists(imageFile);
        var options = new LayerOptions(1 << 20, Codec.NONE, DigestAlgorithm.SHA256, 3);
        try (var writer = new LayerBlobWriter(OutputStream.nullOutputStream(), options)) {
            var path = "f".getBytes(StandardCharsets.US_ASCII);
            writer.add(
                    new LayerEntry(
                            path, LayerEntry.Kind.FILE, 0444, 0, 0, 0, 0, CONTENT.length, new byte[0], 0, 0, List.of()),
                    new ByteArrayInputStream(CONTENT));
            var blob = writer.finish(layerFile);
            try (var layer = Bootstrap.open(layerFile)) {
                BootstrapMerger.merge(List.of(new MergeLayer(layer, blob.digest(), blob.sizeBytes())), imageFile);
            }
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // It is a small file that the next probe overwrites.
            return;
        }
    }
}
