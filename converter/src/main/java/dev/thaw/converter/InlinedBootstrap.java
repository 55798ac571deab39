package dev.thaw.converter;

import dev.thaw.converter.registry.Repository;
import dev.thaw.oci.Descriptor;
import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.CorruptImageException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Fetches the bootstrap that a layer blob carries at its end: two Range requests, whatever the blob's size. */
final class InlinedBootstrap {
    private InlinedBootstrap() {}

    static void fetch(Repository repository, Descriptor blob, Path file) throws IOException, CorruptImageException {
        var tailBytes = (int) Math.min(BlobSections.TAIL_BYTES, blob.sizeBytes());
        byte[] tail;
        try (var in = repository.range(blob.digest(), blob.sizeBytes() - tailBytes, tailBytes)) {
            tail = in.readNBytes(tailBytes);
        }
        var sections = BlobSections.fromTail(tail, blob.sizeBytes(), "blob " + blob.digest());
        var section = sections.entry(BlobSections.BOOTSTRAP);
        try (var in = repository.range(blob.digest(), section.offset(), section.storedSize());
                var out = new BufferedOutputStream(Files.newOutputStream(file), 64 << 10)) {
            sections.copy(section, in, out);
        }
    }
}
