package dev.thaw.agent.image;

import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.MediaTypes;
import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapMerger;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.Inode;
import dev.thaw.rafs.LayerBlobWriter;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerIndexWriter;
import dev.thaw.rafs.LayerOptions;
import dev.thaw.rafs.MergeLayer;
import dev.thaw.rafs.Xattr;
import dev.thaw.rafs.gzip.GzipScan;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;

/** A lazy image of two layers with every kind of file, published in a {@link FakeRegistry}. Paths are ISO-8859-1: one byte, one char. */
final class SampleImage {
    static final String REPOSITORY = "team/app";
    static final int CHUNK_BYTES = 64 << 10;
    private static final int SPAN_BYTES = 128 << 10;
    private static final long MTIME = 1_700_000_000L;
    private static final int MTIME_NANOS = 123_456_789;

    /** What the mounted file must be; {@code target} of a symlink, {@code content} of a regular file. */
    @SuppressWarnings("ArrayRecordComponent") // looked at part by part, never compared
    record Expected(
            int type,
            int mode,
            int uid,
            int gid,
            byte[] content,
            String target,
            int nlink,
            int rdev,
            List<Xattr> xattrs) {}

    private final Map<String, Expected> tree = new TreeMap<>();
    private final List<String> blobs = new ArrayList<>();
    private final ImageEntry entry;

    private SampleImage(ImageEntry entry) {
        this.entry = entry;
    }

    Map<String, Expected> tree() {
        return tree;
    }

    /** sha256 of each blob that holds contents, hex. */
    List<String> blobs() {
        return blobs;
    }

    ImageEntry entry() {
        return entry;
    }

    Digest artifact() {
        return entry.artifact();
    }

    String mtime() {
        return MTIME + "." + "%09d0".formatted(MTIME_NANOS);
    }

    static byte[] random(long seed, int bytes) {
        var content = new byte[bytes];
        new SplittableRandom(seed).nextBytes(content);
        // Half of it compresses, so that stored and decoded lengths differ.
        for (int i = 0; i < bytes / 2; i++) {
            content[i] = (byte) (i >>> 9);
        }
        return content;
    }

    static SampleImage publish(FakeRegistry registry, Path work, BackgroundFetch background, List<String> prefetch)
            throws Exception {
        return publish(registry, work, background, prefetch, 1, false);
    }

    /**
     * @param seed of the upper layer's content; the lower layer is the same in all samples
     * @param inPlace whether contents lie in gzip streams that checkpoints lead into, instead of in chunks of their own
     */
    static SampleImage publish(
            FakeRegistry registry,
            Path work,
            BackgroundFetch background,
            List<String> prefetch,
            long seed,
            boolean inPlace)
            throws Exception {
        return publish(registry, work, background, prefetch, seed, inPlace, "{}", upper -> {});
    }

    /** What a test adds to the upper layer. */
    @FunctionalInterface
    interface Addition {
        void to(Layer upper) throws IOException;
    }

    /** @param configuration of the image, as JSON */
    static SampleImage publish(
            FakeRegistry registry,
            Path work,
            BackgroundFetch background,
            List<String> prefetch,
            long seed,
            String configuration,
            Addition addition)
            throws Exception {
        return publish(registry, work, background, prefetch, seed, false, configuration, addition);
    }

    private static SampleImage publish(
            FakeRegistry registry,
            Path work,
            BackgroundFetch background,
            List<String> prefetch,
            long seed,
            boolean inPlace,
            String configuration,
            Addition addition)
            throws Exception {
        Files.createDirectories(work);
        var tree = new TreeMap<String, Expected>();
        var lower = new Layer(registry, work.resolve("lower-" + seed), tree, inPlace);
        lower.directory("etc", 0755);
        lower.directory("usr", 0755);
        lower.directory("usr/bin", 0755);
        lower.directory("tmp", 01777);
        lower.file("etc/passwd", 0644, 0, 0, "root:x:0:0::/:/bin/sh\n".getBytes(StandardCharsets.US_ASCII), List.of());
        lower.file("etc/group", 0644, 0, 0, "root:x:0:\n".getBytes(StandardCharsets.US_ASCII), List.of());
        lower.file(
                "usr/bin/tool",
                04755,
                0,
                0,
                random(7, 300_000),
                List.of(
                        Xattr.of(
                                "security.capability",
                                new byte[] {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
                        Xattr.of("user.note", "hello".getBytes(StandardCharsets.US_ASCII))));
        lower.file("gone", 0644, 0, 0, random(8, 100_000), List.of());
        lower.symlink("bin", "usr/bin");
        lower.device("null", Inode.TYPE_CHARACTER_DEVICE, 1, 3);
        lower.device("pipe", Inode.TYPE_FIFO, 0, 0);
        lower.hardLink("usr/bin/same", "usr/bin/tool");
        var first = lower.finish();

        var upper = new Layer(registry, work.resolve("upper-" + seed), tree, inPlace);
        upper.directory("data", 0750);
        upper.file("data/big", 0640, 1000, 2000, random(seed, 3_000_017), List.of());
        upper.file("data/empty", 0600, 1000, 1000, new byte[0], List.of());
        upper.file("data/caf\u00e9\u00ff", 0644, 0, 0, random(seed + 100, 70_000), List.of());
        for (int i = 0; i < 40; i++) {
            upper.file("data/small-" + i, 0644, i, i, random(seed + 1000 + i, i * 411), List.of());
        }
        upper.whiteout("gone");
        addition.to(upper);
        var second = upper.finish();

        var merged = work.resolve("merged-" + seed);
        Files.deleteIfExists(merged);
        try (var one = Bootstrap.open(first.bootstrap);
                var two = Bootstrap.open(second.bootstrap)) {
            BootstrapMerger.merge(
                    List.of(
                            new MergeLayer(one, first.descriptor.digest().hex(), first.descriptor.sizeBytes()),
                            new MergeLayer(two, second.descriptor.digest().hex(), second.descriptor.sizeBytes())),
                    merged);
        }
        var bootstrapLayer = registry.addBlob(
                        REPOSITORY, "application/vnd.oci.image.layer.v1.tar+gzip", tarGz(Files.readAllBytes(merged)))
                .withAnnotation("containerd.io/snapshot/nydus-bootstrap", "true");
        var config = registry.addBlob(
                REPOSITORY,
                "application/vnd.nydus.image.config.v1+json",
                configuration.getBytes(StandardCharsets.US_ASCII));
        var manifest = manifest(config, List.of(first.descriptor, second.descriptor, bootstrapLayer));
        var artifact = registry.addManifest(REPOSITORY, null, MediaTypes.OCI_MANIFEST, manifest);
        var sample = new SampleImage(new ImageEntry(
                artifact,
                registry.repository(REPOSITORY),
                true,
                background,
                PrefetchPolicy.LEARN,
                prefetch,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty()));
        sample.tree.putAll(tree);
        sample.blobs.add(first.data.hex());
        sample.blobs.add(second.data.hex());
        return sample;
    }

    /** Makes the artifact known by a tag, as the index of a lazy image does. */
    void publishIndex(FakeRegistry registry, String tag) {
        var manifest = registry.manifest(REPOSITORY, artifact().toString()).orElseThrow();
        registry.addManifest(
                REPOSITORY, tag, "application/vnd.oci.image.index.v1+json", """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[\
                {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d,\
                "artifactType":"application/vnd.nydus.image.manifest.v1+json"}]}""".formatted(artifact(), manifest.length)
                        .getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] manifest(Descriptor config, List<Descriptor> layers) {
        var text = new StringBuilder();
        for (var layer : layers) {
            text.append(text.isEmpty() ? "" : ",").append(json(layer));
        }
        return """
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",\
            "artifactType":"application/vnd.nydus.image.manifest.v1+json","config":%s,"layers":[%s],\
            "annotations":{"thaw.dev/layers":"2","thaw.dev/mode":"Convert","thaw.dev/format":"1"}}\
            """.formatted(json(config), text).getBytes(StandardCharsets.UTF_8);
    }

    static String json(Descriptor descriptor) {
        var annotations = new StringBuilder();
        descriptor
                .annotations()
                .forEach((key, value) -> annotations
                        .append(annotations.isEmpty() ? "" : ",")
                        .append("\"%s\":\"%s\"".formatted(key, value)));
        return "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d,\"annotations\":{%s}}"
                .formatted(descriptor.mediaType(), descriptor.digest(), descriptor.sizeBytes(), annotations);
    }

    static byte[] tarGz(byte[] bootstrap) throws IOException {
        var packed = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(packed)) {
            out.write(tarHeader("image/", '5', 0));
            out.write(tarHeader("image/image.boot", '0', bootstrap.length));
            out.write(bootstrap);
            out.write(new byte[-bootstrap.length & 511]);
            out.write(new byte[1024]);
        }
        return packed.toByteArray();
    }

    private static byte[] tarHeader(String name, char type, long size) {
        var header = new byte[512];
        put(header, 0, name);
        put(header, 100, "0000644");
        put(header, 124, "%011o".formatted(size));
        put(header, 136, "00000000000");
        put(header, 148, "        ");
        header[156] = (byte) type;
        put(header, 257, "ustar");
        put(header, 263, "00");
        int sum = 0;
        for (byte b : header) {
            sum += b & 0xff;
        }
        put(header, 148, "%06o".formatted(sum));
        header[154] = 0;
        return header;
    }

    private static void put(byte[] header, int at, String text) {
        var bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, header, at, bytes.length);
    }

    /**
     * @param data the digest of what holds the contents
     * @param descriptor of the layer's blob in the artifact
     */
    private record Finished(Path bootstrap, Digest data, Descriptor descriptor) {}

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Added(LayerEntry entry, byte[] content) {}

    /** Writes one layer, and what is expected of it. */
    static final class Layer {
        private final FakeRegistry registry;
        private final Path bootstrap;
        private final Map<String, Expected> tree;
        private final boolean inPlace;
        private final List<Added> added = new ArrayList<>();

        Layer(FakeRegistry registry, Path bootstrap, Map<String, Expected> tree, boolean inPlace) {
            this.registry = registry;
            this.bootstrap = bootstrap;
            this.tree = tree;
            this.inPlace = inPlace;
        }

        void directory(String path, int mode) throws IOException {
            add(path, LayerEntry.Kind.DIRECTORY, mode, 0, 0, new byte[0], "", 0, 0, List.of());
            tree.put(path, new Expected(Inode.TYPE_DIRECTORY, mode, 0, 0, new byte[0], "", 0, 0, List.of()));
        }

        void file(String path, int mode, int uid, int gid, byte[] content, List<Xattr> xattrs) throws IOException {
            add(path, LayerEntry.Kind.FILE, mode, uid, gid, content, "", 0, 0, xattrs);
            tree.put(path, new Expected(Inode.TYPE_REGULAR, mode, uid, gid, content, "", 1, 0, xattrs));
        }

        void symlink(String path, String target) throws IOException {
            add(path, LayerEntry.Kind.SYMLINK, 0777, 0, 0, new byte[0], target, 0, 0, List.of());
            tree.put(path, new Expected(Inode.TYPE_SYMLINK, 0777, 0, 0, new byte[0], target, 1, 0, List.of()));
        }

        void device(String path, int type, int major, int minor) throws IOException {
            var kind = type == Inode.TYPE_FIFO ? LayerEntry.Kind.FIFO : LayerEntry.Kind.CHARACTER_DEVICE;
            add(path, kind, 0666, 0, 0, new byte[0], "", major, minor, List.of());
            tree.put(path, new Expected(type, 0666, 0, 0, new byte[0], "", 1, Inode.rdev(major, minor), List.of()));
        }

        void hardLink(String path, String target) throws IOException {
            add(path, LayerEntry.Kind.HARD_LINK, 0, 0, 0, new byte[0], target, 0, 0, List.of());
            var file = tree.get(target);
            var linked = new Expected(file.type, file.mode, file.uid, file.gid, file.content, "", 2, 0, file.xattrs);
            tree.put(target, linked);
            tree.put(path, linked);
        }

        void whiteout(String path) throws IOException {
            add(".wh." + path, LayerEntry.Kind.FILE, 0, 0, 0, new byte[0], "", 0, 0, List.of());
            tree.remove(path);
        }

        private void add(
                String path,
                LayerEntry.Kind kind,
                int mode,
                int uid,
                int gid,
                byte[] content,
                String target,
                int major,
                int minor,
                List<Xattr> xattrs)
                throws IOException {
            added.add(new Added(
                    new LayerEntry(
                            path.getBytes(StandardCharsets.ISO_8859_1),
                            kind,
                            mode,
                            uid,
                            gid,
                            MTIME,
                            MTIME_NANOS,
                            content.length,
                            target.getBytes(StandardCharsets.ISO_8859_1),
                            major,
                            minor,
                            xattrs),
                    content));
        }

        Finished finish() throws Exception {
            Files.deleteIfExists(bootstrap);
            var options = new LayerOptions(CHUNK_BYTES, Codec.ZSTD, DigestAlgorithm.SHA256, 3);
            var blob = new ByteArrayOutputStream();
            if (inPlace) {
                var layer = writeInPlace(blob, options);
                return new Finished(bootstrap, layer, addBlob(blob));
            }
            try (var writer = new LayerBlobWriter(blob, options)) {
                for (var file : added) {
                    writer.add(file.entry, new ByteArrayInputStream(file.content));
                }
                writer.finish(bootstrap);
            }
            var descriptor = addBlob(blob);
            return new Finished(bootstrap, descriptor.digest(), descriptor);
        }

        private Descriptor addBlob(ByteArrayOutputStream blob) {
            return registry.addBlob(REPOSITORY, "application/vnd.oci.image.layer.nydus.blob.v1", blob.toByteArray());
        }

        /** Adds a gzip stream in which contents lie as in a tar; only the headers are of no meaning. */
        private Digest writeInPlace(ByteArrayOutputStream blob, LayerOptions options) throws Exception {
            var tar = new ByteArrayOutputStream();
            var offsets = new ArrayList<Integer>();
            for (var file : added) {
                tar.write(new byte[512]);
                offsets.add(tar.size());
                tar.write(file.content);
                tar.write(new byte[-file.content.length & 511]);
            }
            var packed = new ByteArrayOutputStream();
            try (var gzip = new GZIPOutputStream(packed)) {
                tar.writeTo(gzip);
            }
            var layer = registry.addBlob(REPOSITORY, MediaTypes.OCI_LAYER_GZIP, packed.toByteArray());
            try (var scan = new GzipScan(new ByteArrayInputStream(packed.toByteArray()), 32 << 10)) {
                var writer = new LayerIndexWriter(blob, options, scan, SPAN_BYTES);
                int at = 0;
                for (int i = 0; i < added.size(); i++) {
                    var file = added.get(i);
                    scan.skipNBytes(offsets.get(i) - at);
                    writer.add(file.entry, scan, offsets.get(i));
                    at = offsets.get(i) + file.content.length;
                }
                scan.readAllBytes();
                writer.finish(layer.digest().hex(), packed.size());
            }
            var bytes = blob.toByteArray();
            var sections = BlobSections.fromTail(bytes, bytes.length, "index");
            var section = sections.entry(BlobSections.BOOTSTRAP);
            var stored =
                    Arrays.copyOfRange(bytes, (int) section.offset(), (int) (section.offset() + section.storedSize()));
            Files.write(bootstrap, sections.decode(section, stored));
            return layer.digest();
        }
    }
}
