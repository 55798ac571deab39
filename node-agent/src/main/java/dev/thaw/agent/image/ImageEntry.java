package dev.thaw.agent.image;

import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import java.util.List;
import java.util.Optional;

/**
 * One lazy image that may be served on this node.
 *
 * @param artifact digest of the artifact manifest; the key of the table and the value of the layers' label
 * @param repository where its blobs are, without tag or digest
 * @param plainHttp whether the registry speaks plain HTTP
 * @param prefetchPolicy what of it is fetched before it is read
 * @param prefetchPaths absolute paths in the image to fetch as soon as it is claimed
 * @param namespace of the LazyImage that publishes it, if one does
 * @param name of the LazyImage that publishes it, if one does
 * @param lazy digest of the lazy manifest, which containerd pulls
 * @param source digest of the source manifest
 */
public record ImageEntry(
        Digest artifact,
        Reference repository,
        boolean plainHttp,
        BackgroundFetch backgroundFetch,
        PrefetchPolicy prefetchPolicy,
        List<String> prefetchPaths,
        Optional<String> namespace,
        Optional<String> name,
        Optional<Digest> lazy,
        Optional<Digest> source) {
    public ImageEntry {
        prefetchPaths = List.copyOf(prefetchPaths);
    }
}
