package dev.thaw.converter.registry;

import dev.thaw.oci.BlobUpload;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.io.OutputStream;

/** A blob on its way to a registry. Closing it before {@link #commit} takes it back. */
public final class Upload extends OutputStream {
    private final Repository repository;
    private final BlobUpload upload;
    private final Traffic traffic;

    Upload(Repository repository, BlobUpload upload, Traffic traffic) {
        this.repository = repository;
        this.upload = upload;
        this.traffic = traffic;
    }

    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int length) throws IOException {
        repository.writing(() -> {
            upload.write(bytes, from, length);
            return length;
        });
        traffic.addPushed(length);
    }

    /** Makes the blob exist under this digest, which the registry checks. */
    public void commit(Digest digest) throws IOException {
        repository.writing(() -> upload.commit(digest));
    }

    /** Takes the upload back unless it was committed. A registry that cannot be told forgets it by itself some day. */
    @Override
    public void close() throws IOException {
        upload.close();
    }
}
