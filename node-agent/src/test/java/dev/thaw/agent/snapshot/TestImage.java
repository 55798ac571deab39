package dev.thaw.agent.snapshot;

import dev.thaw.oci.Digest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A small image: a static busybox, and layers that add, replace, link and delete. Its layers are plain tar. */
final class TestImage {
    final byte[] manifest;
    final Map<String, byte[]> blobs = new LinkedHashMap<>();
    final List<String> layers = new ArrayList<>();

    /** @param lazy the label that every layer carries; empty for an ordinary image */
    TestImage(Path busybox, String lazy) throws IOException {
        // The first layer differs as a conversion's marker does, so that no chain id is shared with the ordinary image.
        layer(new Tar()
                .directory("bin", 0755, 0)
                .file("bin/busybox", 0755, 0, Files.readAllBytes(busybox))
                .link("bin/sh", "busybox")
                .link("bin/find", "busybox")
                .link("bin/stat", "busybox")
                .link("bin/cat", "busybox")
                .link("bin/sort", "busybox")
                .directory("tmp", 01777, 0)
                .file("gone", 0644, 0, "deleted later".getBytes(StandardCharsets.UTF_8))
                .file("origin", 0644, 0, lazy.getBytes(StandardCharsets.UTF_8)));
        layer(new Tar()
                .directory("srv", 0750, 1000)
                .file("srv/greeting", 0640, 1000, "hello".getBytes(StandardCharsets.UTF_8))
                .file(".wh.gone", 0644, 0, new byte[0]));
        layer(new Tar().file("srv/greeting", 0644, 1000, "hello from above".getBytes(StandardCharsets.UTF_8)));
        var config = json(
                "{'architecture':'%s','os':'linux','config':{'Cmd':['/bin/sh']},'rootfs':{'type':'layers','diff_ids':[%s]}}"
                        .formatted(
                                architecture(),
                                String.join(
                                        ",",
                                        layers.stream().map(d -> "'" + d + "'").toList())));
        var annotations = lazy.isEmpty() ? "" : ",'annotations':{'" + Snapshots.IMAGE + "':'" + lazy + "'}";
        var descriptors = layers.stream()
                .map(digest -> "{'mediaType':'application/vnd.oci.image.layer.v1.tar','digest':'" + digest + "','size':"
                        + blobs.get(digest).length + annotations + "}")
                .toList();
        manifest = json(
                "{'schemaVersion':2,'mediaType':'application/vnd.oci.image.manifest.v1+json','config':{'mediaType':'application/vnd.oci.image.config.v1+json','digest':'%s','size':%d},'layers':[%s]}"
                        .formatted(add(config), config.length, String.join(",", descriptors)));
    }

    private static String architecture() {
        return System.getProperty("os.arch").equals("aarch64") ? "arm64" : "amd64";
    }

    private static byte[] json(String text) {
        return text.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    }

    private void layer(Tar tar) {
        layers.add(add(tar.bytes()));
    }

    private String add(byte[] blob) {
        var digest = Digest.sha256(blob).toString();
        blobs.put(digest, blob);
        return digest;
    }

    /** What the three layers come to, as a lazy image's root shows it. */
    void unpackTo(Path root, Path busybox) throws IOException, InterruptedException {
        Files.createDirectories(root);
        for (var digest : layers) {
            var unpack = new ProcessBuilder(busybox.toString(), "tar", "-x", "-C", root.toString()).start();
            try (var in = unpack.getOutputStream()) {
                in.write(blobs.get(digest));
            }
            if (unpack.waitFor() != 0) {
                throw new IOException(new String(unpack.getErrorStream().readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        Files.delete(root.resolve("gone"));
        Files.delete(root.resolve(".wh.gone"));
    }

    /** Writes the ustar format: 512-byte headers, contents padded to 512, two empty blocks at the end. */
    private static final class Tar {
        private static final int BLOCK = 512;
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Tar directory(String name, int mode, int owner) {
            return entry(name + "/", '5', mode, owner, "", new byte[0]);
        }

        Tar file(String name, int mode, int owner, byte[] content) {
            return entry(name, '0', mode, owner, "", content);
        }

        Tar link(String name, String target) {
            return entry(name, '2', 0777, 0, target, new byte[0]);
        }

        byte[] bytes() {
            var end = new ByteArrayOutputStream();
            end.writeBytes(out.toByteArray());
            end.writeBytes(new byte[2 * BLOCK]);
            return end.toByteArray();
        }

        private Tar entry(String name, char type, int mode, int owner, String target, byte[] content) {
            var header = new byte[BLOCK];
            put(header, 0, name);
            put(header, 100, octal(7, mode));
            put(header, 108, octal(7, owner));
            put(header, 116, octal(7, owner));
            put(header, 124, octal(11, content.length));
            put(header, 136, octal(11, 1_700_000_000));
            put(header, 148, "        ");
            header[156] = (byte) type;
            put(header, 157, target);
            put(header, 257, "ustar");
            put(header, 263, "00");
            int sum = 0;
            for (byte b : header) {
                sum += b & 0xFF;
            }
            put(header, 148, octal(6, sum));
            header[154] = 0;
            out.writeBytes(header);
            out.writeBytes(content);
            out.writeBytes(new byte[(BLOCK - content.length % BLOCK) % BLOCK]);
            return this;
        }

        private static String octal(int digits, long value) {
            return String.format(Locale.ROOT, "%0" + digits + "o", value);
        }

        private static void put(byte[] header, int at, String text) {
            var bytes = text.getBytes(StandardCharsets.UTF_8);
            System.arraycopy(bytes, 0, header, at, bytes.length);
        }
    }
}
