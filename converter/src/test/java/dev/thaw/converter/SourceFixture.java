package dev.thaw.converter;

import com.github.luben.zstd.Zstd;
import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Platform;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;

/** Puts images into a registry for tests. */
final class SourceFixture {
    /** A layer as stored, and the digest of its tar. */
    @SuppressWarnings("ArrayRecordComponent")
    record Layer(String mediaType, byte[] stored, Digest diffId) {
        Descriptor descriptor() {
            return Descriptor.of(mediaType, stored);
        }
    }

    private SourceFixture() {}

    /** Three layers that show most of what layers can hold, different for each platform. */
    static List<Layer> sampleLayers(Platform platform) {
        var seed = platform.architecture().hashCode();
        var base = new TarFile()
                .directory("bin")
                .mode(04755)
                .file("bin/sh", noise(seed, 20_000))
                .mode(0644)
                .hardLink("bin/ash", "bin/sh")
                .symlink("bin/bash", "sh")
                .directory("tmp", 01777)
                .directory("etc")
                .owner(1000, 70_000)
                .file("etc/passwd", "root")
                .owner(0, 0)
                .file("etc/gone", "gone")
                .file("etc/empty", "")
                .directory("var")
                .file("var/old", "old")
                .pax("SCHILY.xattr.security.capability", new byte[] {1, 0, 0, 2, (byte) 0xff, (byte) 0xfe})
                .pax("mtime", "1700000001.123456789")
                .file("bin/ping", noise(seed + 1, 5000))
                .device("dev/null", '3', 1, 3)
                .device("run/fifo", '6', 0, 0)
                .bytes();
        var second = new TarFile()
                .file("etc/.wh.gone", "")
                .file("tmp/x", "the implied parent keeps 1777")
                .directory("var", 0700)
                .file("var/.wh..wh..opq", "")
                .file("var/new", "new")
                .file("bin/copy", noise(seed, 20_000))
                .bytes();
        var third = new TarFile()
                .directory("only-directories")
                .symlink("link", "/etc")
                .bytes();
        return List.of(gzip(base), zstd(second), plain(third));
    }

    static byte[] noise(int seed, int length) {
        var bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    static Layer gzip(byte[] tar) {
        return new Layer(MediaTypes.OCI_LAYER_GZIP, gzipped(tar), Digest.sha256(tar));
    }

    static Layer zstd(byte[] tar) {
        return new Layer(MediaTypes.OCI_LAYER_ZSTD, Zstd.compress(tar), Digest.sha256(tar));
    }

    /** With a file at the end of a zstd frame that is too long for it to be read in place. */
    static Layer zstdOfOneLongFrame(String file, byte[] content) {
        return zstd(new TarFile()
                .file("zeros", new byte[17 << 20])
                .file(file, content)
                .bytes());
    }

    static Layer plain(byte[] tar) {
        return new Layer(MediaTypes.OCI_LAYER_TAR, tar, Digest.sha256(tar));
    }

    static Layer as(String mediaType, Layer layer) {
        return new Layer(mediaType, layer.stored(), layer.diffId());
    }

    static byte[] gzipped(byte[] content) {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    static String config(Platform platform, List<Layer> layers) {
        return """
                {"created":"2026-01-02T03:04:05Z","architecture":"%s","os":"%s","config":{"Env":["PATH=/bin"],"Labels":{"a":"b"}},\
                "rootfs":{"type":"layers","diff_ids":[%s]},"history":[%s],"x.number":1.50,"moby.buildkit":{"z":1,"a":2}}""".formatted(
                platform.architecture(),
                platform.os(),
                layers.stream().map(layer -> "\"" + layer.diffId() + "\"").collect(Collectors.joining(",")),
                layers.stream().map(layer -> "{\"created_by\":\"COPY\"}").collect(Collectors.joining(",")));
    }

    /** Adds an OCI image and tags it, unless the tag is null. */
    static ImageManifest addImage(FakeRegistry registry, String repository, String tag, List<Layer> layers) {
        return addImage(registry, repository, tag, new Platform("linux", "amd64"), layers);
    }

    static ImageManifest addImage(
            FakeRegistry registry, String repository, String tag, Platform platform, List<Layer> layers) {
        var config = registry.addBlob(
                repository, MediaTypes.OCI_CONFIG, config(platform, layers).getBytes(StandardCharsets.UTF_8));
        var manifest = ImageManifest.of(config, addLayers(registry, repository, layers), null, null, Map.of());
        registry.addManifest(repository, tag, manifest);
        return manifest;
    }

    static List<Descriptor> addLayers(FakeRegistry registry, String repository, List<Layer> layers) {
        var descriptors = new ArrayList<Descriptor>();
        for (var layer : layers) {
            descriptors.add(registry.addBlob(repository, layer.mediaType(), layer.stored()));
        }
        return descriptors;
    }

    /** Adds an image with Docker's media types throughout. */
    static Digest addDockerImage(FakeRegistry registry, String repository, String tag, List<Layer> layers) {
        var platform = new Platform("linux", "amd64");
        var config = registry.addBlob(
                repository, MediaTypes.DOCKER_CONFIG, config(platform, layers).getBytes(StandardCharsets.UTF_8));
        var layerJson = addLayers(registry, repository, layers).stream()
                .map(SourceFixture::json)
                .collect(Collectors.joining(","));
        var manifest = "{\"schemaVersion\":2,\"mediaType\":\"" + MediaTypes.DOCKER_MANIFEST + "\",\"config\":"
                + json(config) + ",\"layers\":[" + layerJson + "]}";
        return registry.addManifest(
                repository, tag, MediaTypes.DOCKER_MANIFEST, manifest.getBytes(StandardCharsets.UTF_8));
    }

    private static String json(Descriptor descriptor) {
        return "{\"mediaType\":\"%s\",\"size\":%d,\"digest\":\"%s\"}"
                .formatted(descriptor.mediaType(), descriptor.sizeBytes(), descriptor.digest());
    }

    static ImageIndex addIndex(FakeRegistry registry, String repository, String tag, List<Descriptor> entries) {
        var index = ImageIndex.of(entries, Map.of());
        registry.addManifest(repository, tag, index);
        return index;
    }
}
