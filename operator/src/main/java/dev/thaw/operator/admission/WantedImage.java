package dev.thaw.operator.admission;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.Names;
import dev.thaw.oci.Reference;
import io.fabric8.kubernetes.api.model.LocalObjectReference;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * A LazyImage that a pod could use and nobody has made.
 *
 * @param name the same for the same image, so that many pods ask for one
 * @param image as the pod's author wrote it
 * @param pullSecrets those of the pod
 */
record WantedImage(String namespace, String name, String image, List<String> pullSecrets) {
    private static final int READABLE = 40;
    private static final int MOST_SECRETS = 16;

    static WantedImage of(String namespace, String image, Reference reference, Pod pod) {
        return new WantedImage(
                namespace,
                nameOf(reference),
                image,
                pod.getSpec().getImagePullSecrets().stream()
                        .map(LocalObjectReference::getName)
                        .distinct()
                        .limit(MOST_SECRETS)
                        .toList());
    }

    LazyImage toLazyImage() {
        var made = new LazyImage();
        made.setMetadata(new ObjectMetaBuilder()
                .withName(name)
                .withNamespace(namespace)
                .addToLabels(Names.MANAGED_BY_LABEL, Names.MANAGED_BY)
                .build());
        made.setSpec(LazyImageSpec.builder(image)
                .pullSecrets(
                        pullSecrets.stream().map(LazyImageSpec.SecretName::new).toList())
                .build());
        return made;
    }

    /** The end of the repository and the tag for the eye, a hash of the whole for the rest. */
    private static String nameOf(Reference reference) {
        var repository = reference.repository();
        var readable = repository.substring(repository.lastIndexOf('/') + 1)
                + (reference.tag() == null ? "" : "-" + reference.tag());
        var clean =
                readable.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceAll("^-+|-+$", "");
        var cut = clean.length() <= READABLE
                ? clean
                : clean.substring(0, READABLE).replaceAll("-+$", "");
        return cut + "-" + hash(reference.toString());
    }

    private static String hash(String text) {
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 4);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
