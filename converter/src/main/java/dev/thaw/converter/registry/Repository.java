package dev.thaw.converter.registry;

import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Document;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistryException;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Optional;

/**
 * One repository, read from or written to. Adds to the registry client what is the converter's own: bytes are counted, and a
 * failure becomes a {@link FailureReason} by the side that this repository is on.
 */
public final class Repository {
    /** Which end of the conversion a repository is. */
    public enum Side {
        SOURCE,
        TARGET
    }

    private final RegistryClient client;
    private final Reference reference;
    private final Side side;
    private final Traffic traffic;

    /** @param reference its tag and digest do not matter */
    public Repository(RegistryClient client, Reference reference, Side side, Traffic traffic) {
        this.client = client;
        this.reference = reference.withoutTag();
        this.side = side;
        this.traffic = traffic;
    }

    /** Another repository, reached by the same client and on the same side. */
    public Repository other(Reference other) {
        return new Repository(client, other, side, traffic);
    }

    /** The repository's name, without tag and digest. */
    public Reference reference() {
        return reference;
    }

    /** The document that a reference into this repository means. */
    public Document document(Reference wanted) throws ConversionException {
        return reading(() -> {
            var document = client.manifest(wanted);
            traffic.addRead(document.bytes().length);
            return document;
        });
    }

    public Document document(Digest digest) throws ConversionException {
        return document(reference.withDigest(digest));
    }

    /** What a tag points to; empty if there is no such tag. */
    public Optional<Digest> tagged(String tag) throws ConversionException {
        return reading(() -> {
            try {
                return Optional.of(client.resolve(reference.withTag(tag)));
            } catch (RegistryException.NotFound e) {
                return Optional.empty();
            }
        });
    }

    /** A small blob, checked against its descriptor. */
    public byte[] small(Descriptor descriptor, int maxBytes) throws ConversionException {
        return reading(() -> {
            var bytes = client.blobBytes(reference, descriptor, maxBytes);
            traffic.addRead(bytes.length);
            return bytes;
        });
    }

    /**
     * A piece of a blob as it comes, unchecked. Connections that break are taken up where they broke.
     *
     * @param length bytes wanted, at least 1
     */
    public InputStream range(Digest digest, long offset, long length) throws ConversionException {
        return reading(() -> new CountedRange(client.range(reference, digest, offset, length)));
    }

    /** A whole blob, unchecked: who reads it digests it. */
    public InputStream unchecked(Descriptor descriptor) throws ConversionException {
        return descriptor.sizeBytes() == 0
                ? InputStream.nullInputStream()
                : range(descriptor.digest(), 0, descriptor.sizeBytes());
    }

    public boolean hasBlob(Digest digest) throws ConversionException {
        return reading(() -> client.blobExists(reference, digest));
    }

    public List<Descriptor> referrers(Digest subject, String artifactType) throws ConversionException {
        return reading(() -> client.referrers(reference, subject, artifactType));
    }

    /** Pushes a small blob unless it is there. */
    public void push(Digest digest, byte[] content) throws ConversionException {
        writing(() -> {
            if (!client.blobExists(reference, digest)) {
                client.push(reference, digest, content);
                traffic.addPushed(content.length);
            }
            return digest;
        });
    }

    /** Begins a blob of unknown size and digest. */
    public Upload upload() throws ConversionException {
        return writing(() -> new Upload(this, client.upload(reference), traffic));
    }

    /** Makes a blob of another repository of the same registry appear here; false if the registry would not. */
    public boolean mount(Digest digest, Repository from) throws ConversionException {
        if (!from.reference.registry().equals(reference.registry())) {
            return false;
        }
        return writing(() -> client.mount(reference, digest, from.reference.repository()));
    }

    /** Puts a document under its digest alone. */
    public void put(Document document) throws ConversionException {
        put(reference.withDigest(document.digest()), document);
    }

    /** Points a tag to a document. */
    public void tag(String tag, Document document) throws ConversionException {
        put(reference.withTag(tag), document);
    }

    private void put(Reference target, Document document) throws ConversionException {
        writing(() -> {
            var digest = client.putManifest(target, document);
            traffic.addPushed(document.bytes().length);
            return digest;
        });
    }

    /** Puts a manifest under its digest and makes it be found by its subject, also where the registry has no referrers API. */
    public void putReferrer(ImageManifest manifest) throws ConversionException {
        writing(() -> {
            var bytes = manifest.bytes();
            client.pushReferrer(reference, manifest.mediaType(), bytes);
            traffic.addPushed(bytes.length);
            return manifest;
        });
    }

    /** Deletes a manifest that {@link #putReferrer} put. */
    public void removeReferrer(Digest subject, Digest referrer) throws ConversionException {
        writing(() -> {
            client.deleteReferrer(reference, subject, referrer);
            return referrer;
        });
    }

    /** Whether the manifest of this digest is there. */
    public boolean hasDocument(Digest digest) throws ConversionException {
        return reading(() -> {
            try {
                client.resolve(reference.withDigest(digest));
                return true;
            } catch (RegistryException.NotFound e) {
                return false;
            }
        });
    }

    @FunctionalInterface
    interface Call<T> {
        T run() throws IOException;
    }

    <T> T reading(Call<T> call) throws ConversionException {
        return call(call, false);
    }

    <T> T writing(Call<T> call) throws ConversionException {
        return call(call, true);
    }

    private <T> T call(Call<T> call, boolean isWrite) throws ConversionException {
        try {
            return call.run();
        } catch (RegistryException e) {
            throw new ConversionException(reason(e, isWrite), String.valueOf(e.getMessage()), e);
        } catch (ConversionException e) {
            throw e;
        } catch (IOException e) {
            throw ConversionException.of(e);
        }
    }

    private FailureReason reason(RegistryException failure, boolean isWrite) {
        return switch (failure) {
            case RegistryException.NotFound e ->
                switch (side) {
                    case SOURCE -> FailureReason.SourceNotFound;
                    // Registries that do not make repositories on demand answer a push so.
                    case TARGET -> isWrite ? FailureReason.TargetForbidden : FailureReason.VerificationFailed;
                };
            case RegistryException.Unauthorized e -> refused();
            case RegistryException.Denied e -> refused();
            case RegistryException.RateLimited e -> FailureReason.RegistryUnavailable;
            case RegistryException.Unavailable e -> FailureReason.RegistryUnavailable;
            case RegistryException.Invalid e -> invalid(e);
        };
    }

    private FailureReason refused() {
        return switch (side) {
            case SOURCE -> FailureReason.SourceUnauthorized;
            case TARGET -> FailureReason.TargetForbidden;
        };
    }

    /** The client has one exception for all that breaks its expectations; old manifests are the case that users meet. */
    private static FailureReason invalid(RegistryException.Invalid failure) {
        var message = String.valueOf(failure.getMessage());
        return message.contains("schema 1") || message.contains("neither an index nor a manifest")
                ? FailureReason.UnsupportedMediaType
                : FailureReason.RegistryUnavailable;
    }

    /** Counts what is read and translates what fails. */
    private final class CountedRange extends InputStream {
        private final InputStream in;

        CountedRange(InputStream in) {
            this.in = in;
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            var count = reading(() -> in.read(into, from, length));
            if (count > 0) {
                traffic.addRead(count);
            }
            return count;
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
