package dev.thaw.oci;

import java.io.IOException;
import okhttp3.MediaType;
import okhttp3.RequestBody;
import okio.BufferedSink;
import org.jspecify.annotations.Nullable;

/**
 * A body that the HTTP client does not send again of its own accord. A chunk sent twice may be appended twice, and a
 * commit sent twice fails; only those who can ask the registry what it has may repeat them.
 */
final class OneShotBody extends RequestBody {
    private final RequestBody content;

    OneShotBody(RequestBody content) {
        this.content = content;
    }

    @Override
    public @Nullable MediaType contentType() {
        return content.contentType();
    }

    @Override
    public long contentLength() throws IOException {
        return content.contentLength();
    }

    @Override
    public boolean isOneShot() {
        return true;
    }

    @Override
    public void writeTo(BufferedSink sink) throws IOException {
        content.writeTo(sink);
    }
}
