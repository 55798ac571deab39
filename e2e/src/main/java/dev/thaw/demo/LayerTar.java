package dev.thaw.demo;

import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;

/** Writes one layer of an image, straight into the registry. Paths are relative to the root. */
final class LayerTar {
    private static final int PROGRAM = 0755;
    private static final int DATA = 0644;

    /** What goes into a layer. */
    interface Content {
        void write(LayerTar tar) throws IOException;
    }

    /** @param diffId digest of the layer before it was compressed */
    record Layer(Descriptor blob, Digest diffId) {}

    private final TarArchiveOutputStream out;
    private final Set<String> directories = new HashSet<>();

    private LayerTar(OutputStream out) {
        this.out = new TarArchiveOutputStream(out);
        this.out.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
        this.out.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
    }

    static Layer push(RegistryClient registry, Reference repository, Content content) throws IOException {
        try (var upload = registry.upload(repository)) {
            var zipped = new QuickGzip(upload);
            var hashed = new DigestOutputStream(zipped, sha256());
            var tar = new LayerTar(hashed);
            content.write(tar);
            tar.out.finish();
            zipped.finish(); // closing it would take the upload back
            var blob = upload.commit().withMediaType(MediaTypes.OCI_LAYER_GZIP);
            return new Layer(blob, Digest.of("sha256", hashed.getMessageDigest()));
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    void directory(String path) throws IOException {
        directory(path, PROGRAM);
    }

    void directory(String path, int mode) throws IOException {
        if (!directories.add(path)) {
            return;
        }
        parents(path);
        var entry = new TarArchiveEntry(path + "/");
        entry.setMode(TarArchiveEntry.DEFAULT_DIR_MODE & ~07777 | mode);
        put(entry);
    }

    void file(String path, byte[] content) throws IOException {
        parents(path);
        var entry = new TarArchiveEntry(path);
        entry.setMode(DATA);
        entry.setSize(content.length);
        out.putArchiveEntry(entry);
        out.write(content);
        out.closeArchiveEntry();
    }

    void file(String path, Path source) throws IOException {
        parents(path);
        var entry = new TarArchiveEntry(path);
        entry.setMode(Files.isExecutable(source) ? PROGRAM : DATA);
        entry.setSize(Files.size(source));
        entry.setModTime(Files.getLastModifiedTime(source));
        out.putArchiveEntry(entry);
        Files.copy(source, out);
        out.closeArchiveEntry();
    }

    void link(String path, String target) throws IOException {
        parents(path);
        var entry = new TarArchiveEntry(path, TarConstants.LF_SYMLINK);
        entry.setLinkName(target);
        put(entry);
    }

    private void put(TarArchiveEntry entry) throws IOException {
        out.putArchiveEntry(entry);
        out.closeArchiveEntry();
    }

    private void parents(String path) throws IOException {
        int slash = path.lastIndexOf('/');
        if (slash > 0) {
            directory(path.substring(0, slash));
        }
    }

    /** The demo waits for it, and its registry is near. */
    private static final class QuickGzip extends GZIPOutputStream {
        QuickGzip(OutputStream out) throws IOException {
            super(out, 64 << 10);
            def.setLevel(Deflater.BEST_SPEED);
        }
    }
}
