package dev.thaw.rafs;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

public final class LayerBlobWriter implements AutoCloseable {
    public LayerBlobWriter(OutputStream out, LayerOptions options) {
        throw new UnsupportedOperationException();
    }

    /** Compresses up to {@code parallelism} chunks at a time on {@code compressors}; the bytes written do not depend on it. */
    public LayerBlobWriter(OutputStream out, LayerOptions options, Executor compressors, int parallelism) {
        throw new UnsupportedOperationException();
    }

    /** Adds the next entry; {@code content} is read to the entry's size for regular files, and ignored for others. */
    public void add(LayerEntry entry, @Nullable InputStream content) throws IOException {
        throw new UnsupportedOperationException();
    }

    public LayerBlob finish() throws IOException {
        throw new UnsupportedOperationException();
    }

    /** Like {@link #finish()}, and also leaves the layer's bootstrap, uncompressed, in {@code bootstrap}. */
    public LayerBlob finish(Path bootstrap) throws IOException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
