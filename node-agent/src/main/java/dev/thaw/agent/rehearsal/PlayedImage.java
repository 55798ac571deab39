package dev.thaw.agent.rehearsal;

import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapMerger;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.LayerBlobWriter;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerIndexWriter;
import dev.thaw.rafs.LayerOptions;
import dev.thaw.rafs.MergeLayer;
import dev.thaw.rafs.NotIndexableException;
import dev.thaw.rafs.gzip.GzipScan;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.zip.GZIPOutputStream;

/** A lazy image of one layer: a program, what every start reads, and something to read. */
final class PlayedImage {
    /** The file that is read. */
    static final String FILE = "data";

    /** Layers that containerd is offered: the marker and the one that has contents. */
    static final int LAYERS = 2;

    static final String NYDUS_MANIFEST = "application/vnd.nydus.image.manifest.v1+json";
    private static final String NYDUS_BLOB = "application/vnd.oci.image.layer.nydus.blob.v1";
    static final int FILE_BYTES = 3 << 19;
    /** So many that what is done for each file of an image is compiled afterwards. */
    private static final int FILES = 1000;
    /** A tree of several folders, as that of every image is: what is compiled for one alone is compiled again for the next. */
    private static final int FILES_IN_FOLDER = 20;

    private static final int FILES_AND_A_LINK = 10;

    private static final int TAR_BLOCK = 512;
    private static final int GRAIN_BYTES = 32 << 10;
    private static final int SPAN_BYTES = 256 << 10;
    private static final String PROGRAM = "bin/program";
    private static final String CONFIGURATION =
            "{\"architecture\":\"any\",\"os\":\"linux\",\"config\":{\"Entrypoint\":[\"/%s\"]}}".formatted(PROGRAM);

    private final Map<Digest, byte[]> blobs = new LinkedHashMap<>();
    private final byte[] manifest;
    private final byte[] merged;

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Entry(String path, LayerEntry.Kind kind, byte[] content) {
        static Entry folder(String path) {
            return new Entry(path, LayerEntry.Kind.DIRECTORY, new byte[0]);
        }

        static Entry file(String path, String content) {
            return new Entry(path, LayerEntry.Kind.FILE, content.getBytes(StandardCharsets.US_ASCII));
        }

        /** @return the bytes of the entry in its layer, beside its header */
        byte[] stored() {
            return kind == LayerEntry.Kind.SYMLINK ? new byte[0] : content;
        }
    }

    /**
     * @param folder for files that are gone afterwards
     * @param inPlace whether chunks are read out of a gzip layer, instead of having been copied
     */
    PlayedImage(Path folder, boolean inPlace) throws IOException, CorruptImageException {
        var layerFile = Files.createTempFile(folder, "layer", ".boot");
        var imageFile = Files.createTempFile(folder, "image", ".boot");
        Files.delete(layerFile);
        Files.delete(imageFile);
        try {
            var blob = new ByteArrayOutputStream();
            if (inPlace) {
                writeInPlace(entries(), blob, layerFile);
            } else {
                copy(entries(), blob, layerFile);
            }
            var stored = add(NYDUS_BLOB, blob.toByteArray());
            try (var layer = Bootstrap.open(layerFile)) {
                BootstrapMerger.merge(
                        List.of(new MergeLayer(layer, stored.digest().hex(), stored.sizeBytes())), imageFile);
            }
            merged = Files.readAllBytes(imageFile);
            var bootstrap = add(MediaTypes.OCI_LAYER_GZIP, packed(merged))
                    .withAnnotation("containerd.io/snapshot/nydus-bootstrap", "true");
            var configuration = add(MediaTypes.OCI_CONFIG, CONFIGURATION.getBytes(StandardCharsets.US_ASCII));
            manifest = ImageManifest.of(
                            configuration,
                            List.of(stored, bootstrap),
                            NYDUS_MANIFEST,
                            null,
                            Map.of("thaw.dev/layers", Integer.toString(LAYERS - 1)))
                    .bytes();
        } finally {
            Files.deleteIfExists(layerFile);
            Files.deleteIfExists(imageFile);
        }
    }

    /** As the index of a lazy image names it. */
    Descriptor descriptor() {
        return Descriptor.of(MediaTypes.OCI_MANIFEST, manifest).withArtifactType(NYDUS_MANIFEST);
    }

    Digest artifact() {
        return Digest.sha256(manifest);
    }

    byte[] manifest() {
        return manifest;
    }

    /** What its last layer holds. */
    byte[] bootstrap() {
        return merged;
    }

    Map<Digest, byte[]> blobs() {
        return blobs;
    }

    /** What every container's start looks at, a real program that names its libraries, and something to read. */
    private static List<Entry> entries() throws IOException {
        var entries = new ArrayList<>(List.of(
                Entry.folder("bin"),
                new Entry(PROGRAM, LayerEntry.Kind.FILE, Files.readAllBytes(Path.of("/proc/self/exe"))),
                Entry.folder("etc"),
                Entry.file("etc/passwd", "root:x:0:0::/:\n"),
                Entry.file("etc/group", "root:x:0:\n"),
                new Entry(FILE, LayerEntry.Kind.FILE, content()),
                Entry.folder("many")));
        for (int file = 0; file < FILES; file++) {
            var folder = "many/%03d".formatted(file / FILES_IN_FOLDER);
            if (file % FILES_IN_FOLDER == 0) {
                entries.add(Entry.folder(folder));
            }
            var name = "%04d".formatted(file);
            entries.add(Entry.file(folder + "/" + name, Integer.toString(file)));
            if (file % FILES_AND_A_LINK == 0) {
                entries.add(new Entry(
                        folder + "/link-" + name, LayerEntry.Kind.SYMLINK, name.getBytes(StandardCharsets.US_ASCII)));
            }
        }
        return entries;
    }

    /** What is in {@link #FILE}; half of it can be compressed. */
    static byte[] content() {
        var content = new byte[FILE_BYTES];
        new SplittableRandom(1).nextBytes(content);
        for (int i = 0; i < content.length; i++) {
            content[i] = (i & 4096) == 0 ? content[i] : (byte) (i >>> 12);
        }
        return content;
    }

    private static LayerEntry entry(Entry entry) {
        return new LayerEntry(
                entry.path.getBytes(StandardCharsets.US_ASCII),
                entry.kind,
                entry.kind == LayerEntry.Kind.DIRECTORY ? 0755 : 0644,
                0,
                0,
                0,
                0,
                entry.stored().length,
                entry.kind == LayerEntry.Kind.SYMLINK ? entry.content : new byte[0],
                0,
                0,
                List.of());
    }

    private static void copy(List<Entry> entries, ByteArrayOutputStream blob, Path bootstrap) throws IOException {
        try (var writer = new LayerBlobWriter(blob, LayerOptions.DEFAULT)) {
            for (var entry : entries) {
                writer.add(entry(entry), new ByteArrayInputStream(entry.stored()));
            }
            writer.finish(bootstrap);
        }
    }

    /** The layer has contents where a tar would; nobody reads its headers. */
    private void writeInPlace(List<Entry> entries, ByteArrayOutputStream blob, Path bootstrap)
            throws IOException, CorruptImageException {
        var tar = new ByteArrayOutputStream();
        var offsets = new ArrayList<Integer>();
        for (var entry : entries) {
            tar.write(new byte[TAR_BLOCK]);
            offsets.add(tar.size());
            tar.write(entry.stored());
            tar.write(new byte[-entry.stored().length & (TAR_BLOCK - 1)]);
        }
        var layer = gzip(tar.toByteArray());
        var digest = add(MediaTypes.OCI_LAYER_GZIP, layer).digest();
        try (var scan = new GzipScan(new ByteArrayInputStream(layer), GRAIN_BYTES)) {
            var writer = new LayerIndexWriter(blob, LayerOptions.DEFAULT, scan, SPAN_BYTES);
            long at = 0;
            for (int i = 0; i < entries.size(); i++) {
                scan.skipNBytes(offsets.get(i) - at);
                writer.add(entry(entries.get(i)), scan, offsets.get(i));
                at = offsets.get(i) + entries.get(i).stored().length;
            }
            scan.readAllBytes();
            writer.finish(digest.hex(), layer.length);
        } catch (NotIndexableException e) {
            throw new IOException("a layer of our own making cannot be read in place", e);
        }
        var bytes = blob.toByteArray();
        var sections = BlobSections.fromTail(bytes, bytes.length, "the played image");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        try (var stored = new ByteArrayInputStream(bytes, (int) section.offset(), (int) section.storedSize());
                var out = Files.newOutputStream(bootstrap)) {
            sections.copy(section, stored, out);
        }
    }

    private Descriptor add(String type, byte[] content) {
        var descriptor = Descriptor.of(type, content);
        blobs.put(descriptor.digest(), content);
        return descriptor;
    }

    private static byte[] packed(byte[] bootstrap) throws IOException {
        var tar = new ByteArrayOutputStream();
        var header = new byte[TAR_BLOCK];
        put(header, 0, "image/image.boot");
        put(header, 124, "%011o".formatted(bootstrap.length));
        header[156] = '0';
        tar.write(header);
        tar.write(bootstrap);
        tar.write(new byte[-bootstrap.length & (TAR_BLOCK - 1)]);
        tar.write(new byte[2 * TAR_BLOCK]);
        return gzip(tar.toByteArray());
    }

    private static void put(byte[] header, int at, String text) {
        var bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, header, at, bytes.length);
    }

    private static byte[] gzip(byte[] content) throws IOException {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        }
        return out.toByteArray();
    }
}
