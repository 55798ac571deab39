package dev.thaw.e2e;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.DockerConfig;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import io.fabric8.kubernetes.client.LocalPortForward;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.Optional;

/**
 * Debian's docker-registry in a pod on the network of a node, over plain HTTP, with or without a password; its image
 * brings the images that {@code e2e/run} named. Nodes and pods know it by the node's address; this program by a
 * forwarded port, which is for small things.
 */
final class Registry implements AutoCloseable {
    /** @param htpasswd the line of an htpasswd file for the same */
    record Account(String user, String password, String htpasswd) {}

    private final Cluster cluster;
    private final String namespace;
    private final String pod;
    private final String host;
    private final Optional<Account> account;
    private final LocalPortForward forward;

    Registry(Cluster cluster, String namespace, String name, int port, String image, Optional<Account> account)
            throws IOException {
        this.cluster = cluster;
        this.namespace = namespace;
        this.pod = name;
        this.account = account;
        var node = cluster.nodes().getFirst();
        this.host = Cluster.addressOf(node) + ":" + port;
        cluster.apply("""
                apiVersion: v1
                kind: Secret
                metadata: {name: %1$s-htpasswd, namespace: %2$s}
                stringData: {htpasswd: "%3$s"}
                ---
                apiVersion: v1
                kind: Pod
                metadata: {name: %1$s, namespace: %2$s, labels: {app: %1$s}}
                spec:
                  nodeName: %4$s
                  hostNetwork: true
                  terminationGracePeriodSeconds: 0
                  tolerations: [{operator: Exists}]
                  initContainers:
                  - name: seed
                    image: %5$s
                    imagePullPolicy: IfNotPresent
                    command: [seed]
                    volumeMounts: [{name: blobs, mountPath: /var/lib/registry}]
                  containers:
                  - name: registry
                    image: %5$s
                    imagePullPolicy: IfNotPresent
                    env:
                    - {name: REGISTRY_HTTP_ADDR, value: ":%6$d"}
                    %7$s
                    readinessProbe: {tcpSocket: {port: %6$d}, periodSeconds: 1}
                    volumeMounts: [{name: blobs, mountPath: /var/lib/registry}, {name: htpasswd, mountPath: /etc/htpasswd}]
                  volumes: [{name: blobs, emptyDir: {}}, {name: htpasswd, secret: {secretName: %1$s-htpasswd}}]
                """.formatted(
                        name,
                        namespace,
                        account.map(Account::htpasswd).orElse(""),
                        node.getMetadata().getName(),
                        image,
                        port,
                        account.isEmpty()
                                ? ""
                                : "- {name: REGISTRY_AUTH, value: htpasswd}\n"
                                        + "    - {name: REGISTRY_AUTH_HTPASSWD_REALM, value: thaw}\n"
                                        + "    - {name: REGISTRY_AUTH_HTPASSWD_PATH, value: /etc/htpasswd/htpasswd}"));
        cluster.awaitReady(namespace, name, Duration.ofSeconds(60));
        forward = cluster.client().pods().inNamespace(namespace).withName(name).portForward(port);
    }

    /** host:port as nodes and pods know it. */
    String host() {
        return host;
    }

    /** A pull secret for it, as {@code kubectl create secret docker-registry} makes. */
    String secret(String namespace, String name, String password) {
        var user = account.orElseThrow().user();
        var auth = Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
        var config = "{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}".formatted(host, auth);
        return """
                apiVersion: v1
                kind: Secret
                metadata: {name: %s, namespace: %s}
                type: kubernetes.io/dockerconfigjson
                data: {.dockerconfigjson: %s}
                """.formatted(
                        name, namespace, Base64.getEncoder().encodeToString(config.getBytes(StandardCharsets.UTF_8)));
    }

    /** How many times a line of the access log since the start matches all the words. */
    long requests(String... words) {
        return cluster.client()
                .pods()
                .inNamespace(namespace)
                .withName(pod)
                .getLog()
                .lines()
                .filter(line -> Arrays.stream(words).allMatch(line::contains))
                .count();
    }

    /** Ends the registry's process; kubelet starts it again, with the blobs it had. */
    void kill(NodeProbe probe) {
        var id = Cluster.status(cluster.pod(namespace, pod), "registry")
                .getContainerID()
                .replaceFirst(".*//", "");
        probe.shell(
                "for p in /proc/[0-9]*; do if grep -qs %s $p/cgroup; then kill -9 ${p#/proc/}; fi; done".formatted(id));
    }

    RegistryClient open() throws IOException {
        return Registries.plainHttp(local(), credentials());
    }

    Reference reference(String repository, String tag) {
        return Reference.parse(local() + "/" + repository + ":" + tag);
    }

    private String local() {
        return "127.0.0.1:" + forward.getLocalPort();
    }

    private DockerConfig credentials() throws IOException {
        var auths = account.map(a -> "\"%s\":{\"auth\":\"%s\"}"
                        .formatted(
                                local(),
                                Base64.getEncoder()
                                        .encodeToString(
                                                (a.user() + ":" + a.password()).getBytes(StandardCharsets.UTF_8))))
                .orElse("");
        return DockerConfig.parse("{\"auths\":{%s}}".formatted(auths).getBytes(StandardCharsets.UTF_8));
    }

    /** Pushes an image of one layer with these bytes, whatever they are. */
    void pushLayer(String repository, String tag, String mediaType, byte[] layer) throws IOException {
        try (var client = open()) {
            var reference = reference(repository, tag);
            var config =
                    "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}"
                            .formatted(Digest.sha256(layer))
                            .getBytes(StandardCharsets.UTF_8);
            client.push(reference, Digest.sha256(config), config);
            client.push(reference, Digest.sha256(layer), layer);
            var manifest =
                    """
                    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
                     "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},
                     "layers":[{"mediaType":"%s","digest":"%s","size":%d}]}
                    """.formatted(Digest.sha256(config), config.length, mediaType, Digest.sha256(layer), layer.length);
            client.putManifest(
                    reference, "application/vnd.oci.image.manifest.v1+json", manifest.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Compressed bytes of the layers. */
    static long layerBytes(ImageManifest manifest) {
        return manifest.layers().stream().mapToLong(Descriptor::sizeBytes).sum();
    }

    @Override
    public void close() throws IOException {
        forward.close();
    }

    /** Reads image layouts. */
    static final class Layouts {
        private Layouts() {}

        static Path blob(Path layout, Digest digest) {
            return layout.resolve("blobs").resolve(digest.algorithm()).resolve(digest.hex());
        }

        static ImageManifest manifest(Path layout) throws IOException {
            var index = new ObjectMapper().readTree(Files.readAllBytes(layout.resolve("index.json")));
            var digest = Digest.parse(index.at("/manifests/0/digest").textValue());
            return Registries.manifest(Files.readAllBytes(blob(layout, digest)));
        }
    }
}
