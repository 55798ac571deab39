package dev.thaw.converter.rehearsal;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;

/** A small image of made-up content that asks of a converter what real ones do: many small files, a few large ones, links, whiteouts. */
final class PlayedImage {
    private static final int SMALL_FILES = 1500;
    private static final int LARGE_FILES = 3;
    private static final int SMALL_BYTES = 6 << 10;
    private static final int LARGE_BYTES = 6 << 20;
    private static final int DIRECTORY_FILES = 40;
    private static final int WORDS = 5000;

    private final Random random;
    private final byte[][] words = new byte[WORDS][];

    private PlayedImage(int seed) {
        random = new Random(seed);
        for (int i = 0; i < WORDS; i++) {
            words[i] =
                    (Long.toString(random.nextLong(), Character.MAX_RADIX) + " ").getBytes(StandardCharsets.US_ASCII);
        }
    }

    /** Publishes it. Images of two seeds have their large files in common. */
    static void push(Reference image, RegistrySettings settings, int seed) throws IOException {
        var layers = List.of(new PlayedImage(0).large(), new PlayedImage(seed).small());
        try (var client = new RegistryClient(settings, CredentialSource.anonymous())) {
            var blobs = new ArrayList<Descriptor>();
            var diffIds = new ArrayList<String>();
            for (var tar : layers) {
                var bytes = new ByteArrayOutputStream();
                try (var gzip = new GZIPOutputStream(bytes)) {
                    gzip.write(tar);
                }
                var blob = Descriptor.of(MediaTypes.OCI_LAYER_GZIP, bytes.toByteArray());
                client.push(image, blob.digest(), bytes.toByteArray());
                blobs.add(blob);
                diffIds.add(Digest.sha256(tar).toString());
            }
            var config = new ObjectMapper()
                    .writeValueAsBytes(Map.of(
                            "architecture",
                            "amd64",
                            "os",
                            "linux",
                            "config",
                            Map.of("Entrypoint", List.of("/bin/start")),
                            "rootfs",
                            Map.of("type", "layers", "diff_ids", diffIds)));
            var description = Descriptor.of(MediaTypes.OCI_CONFIG, config);
            client.push(image, description.digest(), config);
            client.putManifest(image, ImageManifest.of(description, blobs, null, null, Map.of()));
        }
    }

    private byte[] large() throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = tar(bytes)) {
            directory(tar, "bin/");
            file(tar, "bin/start", SMALL_BYTES);
            link(tar, "bin/sh", "start", TarConstants.LF_SYMLINK);
            link(tar, "bin/ash", "bin/start", TarConstants.LF_LINK);
            directory(tar, "lib/");
            for (int i = 0; i < LARGE_FILES; i++) {
                file(tar, "lib/large-" + i, LARGE_BYTES);
            }
        }
        return bytes.toByteArray();
    }

    private byte[] small() throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = tar(bytes)) {
            file(tar, "bin/.wh.ash", 0);
            for (int i = 0; i < SMALL_FILES; i++) {
                if (i % DIRECTORY_FILES == 0) {
                    directory(tar, "usr/share/part-" + i / DIRECTORY_FILES + "/");
                }
                file(tar, "usr/share/part-" + i / DIRECTORY_FILES + "/file-" + i, 1 + random.nextInt(2 * SMALL_BYTES));
            }
        }
        return bytes.toByteArray();
    }

    private static TarArchiveOutputStream tar(ByteArrayOutputStream bytes) {
        return new TarArchiveOutputStream(bytes, StandardCharsets.UTF_8.name());
    }

    private static void directory(TarArchiveOutputStream tar, String name) throws IOException {
        tar.putArchiveEntry(new TarArchiveEntry(name));
        tar.closeArchiveEntry();
    }

    private static void link(TarArchiveOutputStream tar, String name, String target, byte kind) throws IOException {
        var entry = new TarArchiveEntry(name, kind);
        entry.setLinkName(target);
        tar.putArchiveEntry(entry);
        tar.closeArchiveEntry();
    }

    private void file(TarArchiveOutputStream tar, String name, int length) throws IOException {
        var entry = new TarArchiveEntry(name);
        entry.setSize(length);
        tar.putArchiveEntry(entry);
        for (int left = length; left > 0; ) {
            var word = words[(int) (WORDS * random.nextDouble() * random.nextDouble())];
            int count = Math.min(left, word.length);
            tar.write(word, 0, count);
            left -= count;
        }
        tar.closeArchiveEntry();
    }
}
