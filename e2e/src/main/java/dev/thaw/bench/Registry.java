package dev.thaw.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.demo.Child;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistryException;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Debian's docker-registry on the loopback, without TLS: Go programs take 127.0.0.1 for insecure by themselves. */
public final class Registry implements AutoCloseable {
    /** Where it is reached without any link between, for publishing. */
    static final int PORT = 5001;
    /** Where nodes find it: behind the link. */
    static final int LINKED_PORT = 5000;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Child daemon;
    private final RegistryClient client;

    /** @param folder gets its content, settings and log */
    public Registry(Programs programs, Path folder) throws IOException, InterruptedException {
        var settings = folder.resolve("registry.yml");
        Files.createDirectories(folder);
        Files.writeString(settings, """
                version: 0.1
                log: {level: warn, accesslog: {disabled: true}}
                storage:
                  filesystem: {rootdirectory: %s, maxthreads: 100}
                  delete: {enabled: true}
                http: {addr: "127.0.0.1:%d"}
                """.formatted(folder.resolve("data"), PORT));
        daemon = Child.start(
                "the registry",
                List.of(programs.path("docker-registry"), "serve", settings.toString()),
                Map.of("OTEL_TRACES_EXPORTER", "none"),
                folder.resolve("registry.log"));
        client = new RegistryClient(RegistrySettings.defaults().withPlainHttp(host()), CredentialSource.anonymous());
        awaitAnswer();
    }

    private void awaitAnswer() throws IOException, InterruptedException {
        for (long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1); ; Thread.sleep(50)) {
            try {
                has(direct("nothing"));
                return;
            } catch (IOException e) {
                if (System.nanoTime() > end || !daemon.isAlive()) {
                    daemon.close();
                    throw new IOException("the registry does not answer:\n" + daemon.tail(), e);
                }
            }
        }
    }

    /** Host and port without any link between. */
    public static String host() {
        return "127.0.0.1:" + PORT;
    }

    static InetSocketAddress address() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), PORT);
    }

    /** An image's name for whoever publishes. */
    static Reference direct(String image) {
        return Reference.parse("127.0.0.1:%d/bench/%s:1".formatted(PORT, image));
    }

    /** An image's name for nodes. */
    static Reference linked(String image) {
        return Reference.parse("127.0.0.1:%d/bench/%s:1".formatted(LINKED_PORT, image));
    }

    boolean has(Reference image) throws IOException {
        try {
            client.resolve(image);
            return true;
        } catch (RegistryException.NotFound e) {
            return false;
        }
    }

    /** How much an image's layers are, as they lie in the registry. */
    long layerBytes(Reference image) throws IOException {
        return manifest(image).layers().stream()
                .mapToLong(Descriptor::sizeBytes)
                .sum();
    }

    ImageManifest manifest(Reference image) throws IOException {
        return switch (client.manifest(image)) {
            case ImageManifest manifest -> manifest;
            case ImageIndex index ->
                manifest(image.withDigest(index.manifests().getFirst().digest()));
        };
    }

    /** Pushes an OCI image layout with one image, for one platform or with all that its index names. */
    void push(Path layout, Reference target) throws IOException {
        push(layout, JSON.readTree(layout.resolve("index.json").toFile()).at("/manifests/0"), target);
    }

    private void push(Path layout, JsonNode descriptor, Reference target) throws IOException {
        var content = Files.readAllBytes(blob(layout, descriptor));
        var document = JSON.readTree(content);
        for (var each : document.path("manifests")) {
            push(layout, each, target.withoutTag().withDigest(digest(each)));
        }
        if (document.has("config")) {
            pushBlob(layout, document.get("config"), target);
        }
        for (var layer : document.path("layers")) {
            pushBlob(layout, layer, target);
        }
        client.putManifest(target, descriptor.path("mediaType").asText(MediaTypes.OCI_MANIFEST), content);
    }

    private void pushBlob(Path layout, JsonNode descriptor, Reference target) throws IOException {
        var digest = digest(descriptor);
        if (!client.blobExists(target, digest)) {
            client.push(target, digest, blob(layout, descriptor));
        }
    }

    private static Digest digest(JsonNode descriptor) {
        return Digest.parse(descriptor.at("/digest").asText());
    }

    private static Path blob(Path layout, JsonNode descriptor) {
        var digest = digest(descriptor);
        return layout.resolve("blobs").resolve(digest.algorithm()).resolve(digest.hex());
    }

    @Override
    public void close() {
        client.close();
        daemon.close();
    }
}
