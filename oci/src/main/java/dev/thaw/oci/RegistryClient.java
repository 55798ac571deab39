package dev.thaw.oci;

import dev.thaw.oci.BlobPuller.Piece;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import okhttp3.MediaType;
import okhttp3.RequestBody;
import org.jspecify.annotations.Nullable;

/**
 * A client of OCI registries. One instance serves all registries, images and threads of a program; it keeps connections,
 * tokens and redirect targets.
 *
 * <p>Every call blocks and has a deadline. Passing failures are repeated as the settings say, before a
 * {@link RegistryException} is thrown. Where a parameter is called {@code repository} the reference's tag and digest play no part.
 * An interrupted thread gets an {@link java.io.InterruptedIOException} with its interrupt flag set.
 */
public final class RegistryClient implements AutoCloseable {
    private static final MediaType BYTES = MediaType.get(MediaTypes.OCTET_STREAM);

    private final RegistrySettings settings;
    private final InstantSource clock;
    private final Transport transport;
    private final EndpointHealth health;
    private final boolean owner;
    private final Exchange exchange;
    private final Endpoints endpoints;
    private final Retries retries;
    private final Manifests manifests;
    private final BlobChecker checker;
    private final BlobPuller puller;
    private final BlobPusher pusher;
    private final Referrers referrers;

    public RegistryClient(RegistrySettings settings, CredentialSource credentials) {
        this(settings, credentials, InstantSource.system());
    }

    RegistryClient(RegistrySettings settings, CredentialSource credentials, InstantSource clock) {
        this(settings, credentials, clock, new Transport(settings));
    }

    private RegistryClient(
            RegistrySettings settings, CredentialSource credentials, InstantSource clock, Transport transport) {
        this(settings, credentials, clock, transport, new EndpointHealth(transport, clock), true);
    }

    private RegistryClient(
            RegistrySettings settings,
            CredentialSource credentials,
            InstantSource clock,
            Transport transport,
            EndpointHealth health,
            boolean owner) {
        this.settings = settings;
        this.clock = clock;
        this.transport = transport;
        this.health = health;
        this.owner = owner;
        this.exchange = new Exchange(transport, credentials, clock);
        this.retries = new Retries(settings);
        this.endpoints = new Endpoints(settings, retries, health);
        this.manifests = new Manifests(exchange, endpoints, retries);
        this.checker = new BlobChecker(exchange, endpoints, retries);
        this.puller = new BlobPuller(exchange, endpoints, new Redirects(clock));
        this.pusher = new BlobPusher(exchange, endpoints, checker, retries);
        this.referrers = new Referrers(exchange, endpoints, retries, manifests);
    }

    /**
     * A client of somebody else over the same connections: it knows what this one learns of mirrors and of registries that
     * want to be left alone, and nothing of its tokens and redirects. It ends with this one.
     *
     * @param plainHttpHosts spoken to without TLS, beside those of the settings
     */
    public RegistryClient as(CredentialSource other, String... plainHttpHosts) {
        return new RegistryClient(settings.withPlainHttp(plainHttpHosts), other, clock, transport, health, false);
    }

    /**
     * Pulls a manifest or an index. By digest, the content is checked against it.
     *
     * @throws RegistryException.Invalid if the content has another digest, or is no document that we read
     * @throws IllegalArgumentException if the reference has neither tag nor digest
     */
    public Document manifest(Reference reference) throws IOException {
        return manifests.pull(reference);
    }

    /**
     * The digest that a reference stands for now, by HEAD where possible. For a reference by digest, says whether it is
     * there.
     *
     * @throws RegistryException.NotFound if it is not there
     */
    public Digest resolve(Reference reference) throws IOException {
        return manifests.resolve(reference);
    }

    /**
     * Pushes a manifest or an index under a tag or its digest.
     *
     * @return its digest
     */
    public Digest putManifest(Reference target, String mediaType, byte[] json) throws IOException {
        return manifests.push(target, mediaType, json).digest();
    }

    /**
     * Pushes a document under a tag or its digest.
     *
     * @return its digest
     */
    public Digest putManifest(Reference target, Document document) throws IOException {
        return putManifest(target, document.mediaType(), document.bytes());
    }

    /** Deletes a manifest by digest, or a tag where the registry permits it. */
    public void deleteManifest(Reference reference) throws IOException {
        manifests.delete(reference);
    }

    /** Whether the registry itself (no mirror) has the blob in this repository. */
    public boolean blobExists(Reference repository, Digest digest) throws IOException {
        return checker.exists(repository, digest, Scope.pull(repository));
    }

    /** The size of a blob in bytes. */
    public long blobSize(Reference repository, Digest digest) throws IOException {
        return checker.size(repository, digest);
    }

    /**
     * Opens a whole blob. Size and digest are checked while it is read: the last bytes come only if both are right, else
     * {@link RegistryException.Invalid} is thrown. A connection that breaks off is taken up again.
     */
    public InputStream blob(Reference repository, Descriptor blob) throws IOException {
        var action = new Action("pull the blob", blob.digest(), repository);
        var piece = new Piece(action, repository, blob.digest(), 0, blob.sizeBytes(), false, Piece.REPEATED);
        return new BlobStream(action, new BlobRange(puller, retries, piece), blob);
    }

    /**
     * Pulls a small blob into memory and checks it.
     *
     * @throws RegistryException.Invalid if its descriptor says that it is larger than {@code maxBytes}, or it is not what
     *     the descriptor says
     */
    public byte[] blobBytes(Reference repository, Descriptor blob, int maxBytes) throws IOException {
        if (blob.sizeBytes() > maxBytes) {
            throw new Action("pull the blob", blob.digest(), repository)
                    .invalid(
                            "it has %d bytes, at most %d are read at once".formatted(blob.sizeBytes(), maxBytes),
                            "this is no image that we make or know");
        }
        try (var in = blob(repository, blob)) {
            return in.readAllBytes();
        }
    }

    /**
     * Opens a piece of a blob; ends early only where the blob ends. A registry that ignores ranges is put up with. The
     * bytes are not checked: only whole blobs have a digest.
     *
     * @param offset the first byte
     * @param length how many bytes, at least 1
     */
    public BlobRange range(Reference repository, Digest digest, long offset, long length) throws IOException {
        return range(repository, digest, offset, length, Piece.REPEATED);
    }

    /**
     * As {@link #range}, for a caller that repeats by itself: nothing is repeated here, and a passing failure is thrown at
     * once. A registry that has asked to be left alone is not asked before that time has passed.
     *
     * @param way which of the endpoints that are well is asked first, round and round: another number is another mirror,
     *     or the registry, where there is another; and always another connection than those in use
     */
    public BlobRange rangeOnce(Reference repository, Digest digest, long offset, long length, int way)
            throws IOException {
        if (way < 0) {
            throw new IllegalArgumentException("a way is 0 or more, not " + way);
        }
        return range(repository, digest, offset, length, way);
    }

    private BlobRange range(Reference repository, Digest digest, long offset, long length, int way) throws IOException {
        if (offset < 0 || length <= 0 || offset > Long.MAX_VALUE - length) {
            throw new IllegalArgumentException(
                    "a range begins at 0 or later and has at least 1 byte, not " + length + " from " + offset);
        }
        var action = new Action("read bytes %d to %d of".formatted(offset, offset + length - 1), digest, repository);
        return new BlobRange(
                puller, retries, new Piece(action, repository, digest, offset, offset + length, true, way));
    }

    /** Begins to upload a blob whose size is not known. Holds at most two chunks in memory. */
    public BlobUpload upload(Reference repository) throws IOException {
        return new BlobUpload(
                exchange, endpoints.origin(repository), repository, checker, retries, settings.uploadChunkBytes());
    }

    /** Pushes a blob from memory, unless the repository has it. */
    public void push(Reference repository, Digest digest, byte[] content) throws IOException {
        pusher.push(repository, digest, RequestBody.create(content, BYTES));
    }

    /** Pushes a blob from a file, unless the repository has it. */
    public void push(Reference repository, Digest digest, Path content) throws IOException {
        pusher.push(repository, digest, RequestBody.create(content.toFile(), BYTES));
    }

    /**
     * Makes a blob of another repository of the same registry appear in this one without sending it.
     *
     * @return false if the registry does not do that, the blob is not there, or we may not read it there: then send it
     */
    public boolean mount(Reference repository, Digest digest, String fromRepository) throws IOException {
        return pusher.mount(repository, digest, fromRepository);
    }

    /**
     * Lists the manifests whose subject is this digest, by the referrers API or by the tag that stands in for it.
     *
     * @param artifactType only those of this type, or null for all
     * @return empty if there are none
     */
    public List<Descriptor> referrers(Reference repository, Digest subject, @Nullable String artifactType)
            throws IOException {
        return referrers.list(repository, subject, artifactType);
    }

    /**
     * Pushes a manifest that has a subject, by its digest, and sees to it that {@link #referrers} finds it, also where
     * the registry has no such API.
     *
     * @return its digest
     * @throws RegistryException.Invalid if it has no subject
     */
    public Digest pushReferrer(Reference repository, String mediaType, byte[] manifest) throws IOException {
        return referrers.push(repository, mediaType, manifest);
    }

    /** Deletes a manifest that has a subject, and takes it out of the tag that stands in for the referrers API. */
    public void deleteReferrer(Reference repository, Digest subject, Digest referrer) throws IOException {
        manifests.delete(repository.withDigest(referrer));
        referrers.removeFromTag(repository, subject, referrer);
    }

    /** Breaks off calls under way and gives all connections back. */
    @Override
    public void close() {
        if (owner) {
            health.close();
            transport.close();
        }
    }
}
