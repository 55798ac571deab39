package dev.thaw.operator.registry;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec.SecretName;
import dev.thaw.oci.DockerConfig;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The Secrets that a LazyImage names, read one by one from its own namespace. They are never listed or watched, so that the
 * operator need not be allowed to see any other, and never kept.
 */
public final class RegistrySecrets {
    private static final String TYPE = "kubernetes.io/dockerconfigjson";
    private static final String KEY = ".dockerconfigjson";

    private final KubernetesClient client;

    public RegistrySecrets(KubernetesClient client) {
        this.client = client;
    }

    /** What reads the source and, on nodes, the lazy image. */
    public Keys pulling(LazyImage image) {
        return read(image, image.getSpec().pullSecrets());
    }

    /** What publishes, and what deletes. */
    public Keys pushing(LazyImage image) {
        var push = image.getSpec().pushSecret();
        return push == null ? pulling(image) : read(image, List.of(push));
    }

    /** Everything that the LazyImage names: for its version and its problems. */
    public Keys all(LazyImage image) {
        var names = Stream.concat(
                        image.getSpec().pullSecrets().stream(),
                        Stream.ofNullable(image.getSpec().pushSecret()))
                .distinct()
                .toList();
        return read(image, names);
    }

    private Keys read(LazyImage image, List<SecretName> names) {
        var namespace = image.getMetadata().getNamespace();
        var configs = new ArrayList<DockerConfig>();
        var version = new StringBuilder();
        var problems = new ArrayList<String>();
        for (var name : names) {
            var secret = client.secrets()
                    .inNamespace(namespace)
                    .withName(name.name())
                    .get();
            version.append(version.isEmpty() ? "" : ",")
                    .append(name.name())
                    .append(':')
                    .append(versionOf(secret));
            if (secret == null) {
                problems.add("Secret " + namespace + "/" + name.name() + " does not exist.");
                continue;
            }
            try {
                configs.add(config(secret));
            } catch (IllegalArgumentException e) {
                problems.add("Secret " + namespace + "/" + name.name() + ": " + e.getMessage() + ".");
            }
        }
        return new Keys(DockerConfig.merged(configs), version.toString(), problems);
    }

    private static String versionOf(@Nullable Secret secret) {
        return secret == null
                ? "absent"
                : secret.getMetadata().getUid() + "." + secret.getMetadata().getResourceVersion();
    }

    private static DockerConfig config(Secret secret) {
        if (!TYPE.equals(secret.getType())) {
            throw new IllegalArgumentException("it is of type " + secret.getType() + ", not " + TYPE);
        }
        Map<String, String> data = Objects.requireNonNullElse(secret.getData(), Map.of());
        var content = data.get(KEY);
        if (content == null) {
            throw new IllegalArgumentException("it has no key " + KEY);
        }
        return DockerConfig.parse(Base64.getMimeDecoder().decode(content));
    }
}
