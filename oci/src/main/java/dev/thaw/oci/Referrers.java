package dev.thaw.oci;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import okhttp3.HttpUrl;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which manifests refer to a digest: the referrers API, and for registries without it the tag that stands in for it (OCI
 * distribution specification, "Listing Referrers" and "Referrers Tag Schema").
 */
final class Referrers {
    private static final Logger LOG = LoggerFactory.getLogger(Referrers.class);
    private static final int MOST_PAGES = 100;
    private static final int MOST_REFERRERS = 10_000;
    /** How often an index that somebody else is also writing is written. */
    private static final int TAG_ATTEMPTS = 5;

    /** RFC 8288: {@code <target>; rel="next"}, perhaps among others. */
    private static final Pattern NEXT =
            Pattern.compile("<([^>]*)>\\s*;[^,]*\\brel=\"?next\"?", Pattern.CASE_INSENSITIVE);

    private final Exchange exchange;
    private final Endpoints endpoints;
    private final Retries retries;
    private final Manifests manifests;
    /** Writers of one tag in this program wait for each other; tags that share a lock wait in vain, which is rare. */
    private final List<ReentrantLock> tagLocks =
            Stream.generate(ReentrantLock::new).limit(64).toList();

    Referrers(Exchange exchange, Endpoints endpoints, Retries retries, Manifests manifests) {
        this.exchange = exchange;
        this.endpoints = endpoints;
        this.retries = retries;
        this.manifests = manifests;
    }

    List<Descriptor> list(Reference repository, Digest subject, @Nullable String artifactType) throws IOException {
        var found = fromApi(repository, subject, artifactType).orElse(null);
        if (found == null) {
            found = index(repository, subject).map(ImageIndex::manifests).orElse(List.of());
        }
        // A registry need not filter, and one that does is not believed.
        return found.stream()
                .filter(referrer -> artifactType == null || artifactType.equals(referrer.artifactType()))
                .toList();
    }

    Digest push(Reference repository, String mediaType, byte[] bytes) throws IOException {
        var action = new Action("push a referrer to", repository.name());
        Document document;
        try {
            document = Document.parse(bytes, mediaType);
        } catch (IllegalArgumentException e) {
            throw action.invalid("what is to be pushed cannot be read: " + e.getMessage(), "this is a defect of ours");
        }
        var subject = document.subject();
        if (subject == null) {
            throw action.invalid("the manifest has no subject", "push it as an ordinary manifest");
        }
        var pushed = manifests.push(repository.withDigest(document.digest()), mediaType, bytes);
        if (!pushed.subjectRecorded()) {
            addToTag(action, repository, subject.digest(), descriptor(document));
        }
        return pushed.digest();
    }

    /** Takes a manifest out of the stand-in tag's index, if it is there. */
    void removeFromTag(Reference repository, Digest subject, Digest referrer) throws IOException {
        var tagged = tagged(repository, subject);
        var action = new Action("take a referrer out of", tagged);
        change(action, tagged, entries -> entries.remove(referrer) != null);
    }

    private void addToTag(Action action, Reference repository, Digest subject, Descriptor referrer) throws IOException {
        change(action, tagged(repository, subject), entries -> {
            var before = entries.put(referrer.digest(), referrer);
            return !referrer.equals(before);
        });
    }

    @FunctionalInterface
    private interface Change {
        /** Whether anything had to be changed. */
        boolean apply(Map<Digest, Descriptor> entries);
    }

    /**
     * Reads, changes and writes the index until the change stays. Registries know no conditional PUT, so another writer may
     * overwrite ours: it is read again afterwards.
     */
    private void change(Action action, Reference tagged, Change change) throws IOException {
        var lock = tagLocks.get(Math.floorMod(tagged.hashCode(), tagLocks.size()));
        try {
            lock.lockInterruptibly();
        } catch (InterruptedException e) {
            throw action.interrupted();
        }
        try {
            for (var attempt = 1; attempt <= TAG_ATTEMPTS; attempt++) {
                var entries = new LinkedHashMap<Digest, Descriptor>();
                var index = indexFromOrigin(tagged);
                index.ifPresent(found -> found.manifests().forEach(entry -> entries.put(entry.digest(), entry)));
                if (!change.apply(entries)) {
                    return;
                }
                var annotations = index.map(ImageIndex::annotations).orElse(Map.of());
                var written = ImageIndex.of(List.copyOf(entries.values()), annotations);
                manifests.push(tagged, written.mediaType(), written.bytes());
                if (attempt > 1) {
                    retries.pause(action, attempt);
                }
            }
            // The last writing was not read again; if it stayed, all is well.
            LOG.warn("{} is being written by others too; a referrer may be missing from it", tagged);
        } finally {
            lock.unlock();
        }
    }

    private Optional<ImageIndex> index(Reference repository, Digest subject) throws IOException {
        return asIndex(tagged(repository, subject), manifests::pull);
    }

    private Optional<ImageIndex> indexFromOrigin(Reference tagged) throws IOException {
        return asIndex(tagged, manifests::pullFromOrigin);
    }

    @FunctionalInterface
    private interface Pull {
        Document from(Reference reference) throws IOException;
    }

    private static Optional<ImageIndex> asIndex(Reference tagged, Pull pull) throws IOException {
        try {
            return pull.from(tagged).asIndex();
        } catch (RegistryException.NotFound none) {
            return Optional.empty();
        }
    }

    /** Nothing if the registry has no such API; an empty list if it has, and knows of none. */
    private Optional<List<Descriptor>> fromApi(Reference repository, Digest subject, @Nullable String artifactType)
            throws IOException {
        var action = new Action("list the referrers of", subject, repository);
        return endpoints.read(action, repository, true, endpoint -> {
            var url = endpoint.referrers(repository, subject);
            if (artifactType != null) {
                url = url.newBuilder()
                        .addQueryParameter("artifactType", artifactType)
                        .build();
            }
            return pages(action, endpoint, repository, url);
        });
    }

    private Optional<List<Descriptor>> pages(Action action, Endpoint endpoint, Reference repository, HttpUrl first)
            throws IOException {
        var found = new ArrayList<Descriptor>();
        var seen = new HashSet<HttpUrl>();
        HttpUrl url = first;
        while (url != null) {
            if (!seen.add(url)) {
                throw action.invalid("its pages go round in a circle", "the registry's paging is broken");
            }
            if (seen.size() > MOST_PAGES || found.size() > MOST_REFERRERS) {
                throw action.invalid(
                        "it has more than %d pages or %d entries".formatted(MOST_PAGES, MOST_REFERRERS),
                        "remove referrers that are not needed any more");
            }
            var request =
                    endpoint.request(url).header("Accept", MediaTypes.OCI_INDEX).build();
            try (var response = exchange.send(action, endpoint, repository, Scope.pull(repository), request)) {
                if (seen.size() == 1 && hasNoApi(response)) {
                    return Optional.empty();
                }
                if (response.code() != 200) {
                    throw action.refused(response);
                }
                found.addAll(page(action, response));
                url = next(action, endpoint, response);
            }
        }
        return Optional.of(found);
    }

    /**
     * A registry with the API never says 404, even for a subject it does not have. Old registries also say that the URL
     * is malformed or the method unknown, and a web page may answer for anything.
     */
    private static boolean hasNoApi(Response response) {
        return switch (response.code()) {
            case 400, 404, 405, 406, 410, 501 -> true;
            case 200 -> !Endpoint.header(response, "Content-Type").startsWith(MediaTypes.OCI_INDEX);
            default -> false;
        };
    }

    private static List<Descriptor> page(Action action, Response response) throws IOException {
        byte[] bytes;
        try {
            bytes = response.body().byteStream().readNBytes(Document.MAX_BYTES + 1);
        } catch (IOException e) {
            throw action.unreachable(response.request(), e);
        }
        try {
            if (Document.parse(bytes, MediaTypes.OCI_INDEX) instanceof ImageIndex index) {
                return index.manifests();
            }
            throw action.invalid("a page of it is no index", "the registry's referrers API is broken");
        } catch (IllegalArgumentException e) {
            throw action.invalid(
                    "a page of it cannot be read: " + e.getMessage(), "the registry's referrers API is broken");
        }
    }

    private static @Nullable HttpUrl next(Action action, Endpoint endpoint, Response response)
            throws RegistryException {
        for (var header : response.headers("Link")) {
            var matcher = NEXT.matcher(header);
            if (matcher.find()) {
                var url = response.request().url().resolve(matcher.group(1));
                if (url == null || !Endpoint.sameOrigin(url, endpoint.base())) {
                    throw action.invalid(
                            "the next page is said to be at "
                                    + (url == null ? "no URL" : "another host, " + Action.bare(url)),
                            "the registry's paging is broken");
                }
                return url;
            }
        }
        return null;
    }

    /** {@code sha256-<hex>}; the specification cuts the algorithm to 32 and the digits to 64 characters. */
    static Reference tagged(Reference repository, Digest subject) {
        var hex = subject.hex();
        return repository.withTag(subject.algorithm() + "-" + hex.substring(0, Math.min(64, hex.length())));
    }

    /** How a referrer is listed: its type is its own, or that of its config, and its annotations are copied. */
    private static Descriptor descriptor(Document document) {
        var type = document.artifactType();
        if (type == null && document instanceof ImageManifest manifest) {
            type = manifest.config().mediaType();
        }
        return document.descriptor().withAnnotations(document.annotations()).withArtifactType(type);
    }
}
