package dev.thaw.agent.image;

import dev.thaw.oci.Descriptor;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.MediaTypes;
import dev.thaw.rafs.BlobSections;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.BootstrapMerger;
import dev.thaw.rafs.MergeLayer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;

/** An image of one layer that nydus-image 2.2.0 made, under a manifest as nydusify writes it. */
final class NydusToolsImage {
    static final String REPOSITORY = "team/nydus";

    /** What nydusify's manifests look like. */
    enum Manifest {
        /** Docker's media types, nothing but the bootstrap's annotation tells what it is. */
        DOCKER,
        /** As in an index beside the ordinary image, since nydus 2.3.5. */
        OCI_WITH_ARTIFACT_TYPE,
        /** The blob is listed in an annotation only, as that of a chunk dictionary is. */
        BLOB_IN_ANNOTATION,
        /** The blob is not named at all. */
        WITHOUT_BLOB
    }

    private NydusToolsImage() {}

    /** The content of the files {@code numbers} and {@code directory/same-numbers}. */
    static String numbers() {
        return IntStream.rangeClosed(1, 5000).mapToObj(i -> i + "\n").collect(Collectors.joining());
    }

    static ImageEntry publish(FakeRegistry registry, Path work, String blobName, Manifest kind) throws Exception {
        byte[] blob = file(blobName + ".blob");
        var layer = registry.addBlob(REPOSITORY, "application/vnd.oci.image.layer.nydus.blob.v1", blob)
                .withAnnotation("containerd.io/snapshot/nydus-blob", "true");
        return publish(registry, mergedBootstrap(work, blob, layer), layer, kind);
    }

    private static byte[] file(String name) throws IOException {
        try (var in = NydusToolsImage.class.getResourceAsStream("/nydus-2.2/" + name)) {
            return in.readAllBytes();
        }
    }

    /** An image whose layer stays as it is, {@code layer.tar.gz} or {@code layer.tar}: nydusify calls it {@code --oci-ref}. */
    static ImageEntry publishInPlace(FakeRegistry registry, String layer) throws IOException {
        byte[] gzip = file("layer.tar.gz");
        try (var tar = new GZIPInputStream(new ByteArrayInputStream(gzip))) {
            registry.addBlob(
                    REPOSITORY, MediaTypes.OCI_LAYER_TAR, layer.equals("layer.tar.gz") ? gzip : tar.readAllBytes());
        }
        var described = registry.addBlob(
                        REPOSITORY, "application/vnd.oci.image.layer.nydus.blob.v1", file(layer + ".ref"))
                .withAnnotation("containerd.io/snapshot/nydus-blob", "true");
        return publish(registry, file(layer + ".boot"), described, Manifest.DOCKER);
    }

    /** The content of the file {@code directory/text} of such an image. */
    static String text() {
        var part = IntStream.rangeClosed(1, 3000)
                .mapToObj(i -> i * i % 10007 + "\n")
                .collect(Collectors.joining());
        return IntStream.range(0, 380).mapToObj(i -> i + " " + part).collect(Collectors.joining());
    }

    private static byte[] mergedBootstrap(Path work, byte[] blob, Descriptor layer) throws Exception {
        Files.createDirectories(work);
        var tail = Arrays.copyOfRange(blob, blob.length - BlobSections.TAIL_BYTES, blob.length);
        var sections = BlobSections.fromTail(tail, blob.length, "layer");
        var section = sections.entry(BlobSections.BOOTSTRAP);
        int from = (int) section.offset();
        var own = work.resolve("layer.boot");
        Files.write(own, sections.decode(section, Arrays.copyOfRange(blob, from, from + (int) section.storedSize())));
        var merged = work.resolve("merged.boot");
        Files.deleteIfExists(merged);
        try (var bootstrap = Bootstrap.open(own)) {
            BootstrapMerger.merge(
                    List.of(new MergeLayer(bootstrap, layer.digest().hex(), blob.length)), merged);
        }
        return Files.readAllBytes(merged);
    }

    /** @param bootstrap may be anything */
    static ImageEntry publish(FakeRegistry registry, byte[] bootstrap, Descriptor blob, Manifest kind)
            throws IOException {
        boolean docker = kind != Manifest.OCI_WITH_ARTIFACT_TYPE;
        var bootstrapLayer = registry.addBlob(
                        REPOSITORY,
                        docker ? MediaTypes.DOCKER_LAYER_GZIP : MediaTypes.OCI_LAYER_GZIP,
                        SampleImage.tarGz(bootstrap))
                .withAnnotation("containerd.io/snapshot/nydus-bootstrap", "true")
                .withAnnotation("containerd.io/snapshot/nydus-fs-version", "6");
        var layers = switch (kind) {
            case DOCKER, OCI_WITH_ARTIFACT_TYPE -> List.of(blob, bootstrapLayer);
            case BLOB_IN_ANNOTATION ->
                List.of(bootstrapLayer.withAnnotation(
                        "containerd.io/snapshot/nydus-reference-blob-ids",
                        "[\\\"" + blob.digest().hex() + "\\\"]"));
            case WITHOUT_BLOB -> List.of(bootstrapLayer);
        };
        var config = registry.addBlob(
                REPOSITORY,
                docker ? MediaTypes.DOCKER_CONFIG : "application/vnd.nydus.image.config.v1+json",
                "{}".getBytes(StandardCharsets.US_ASCII));
        var mediaType = docker ? MediaTypes.DOCKER_MANIFEST : MediaTypes.OCI_MANIFEST;
        var manifest = "{\"schemaVersion\":2,\"mediaType\":\"%s\",%s\"config\":%s,\"layers\":[%s]}"
                .formatted(
                        mediaType,
                        docker ? "" : "\"artifactType\":\"application/vnd.nydus.image.manifest.v1+json\",",
                        SampleImage.json(config),
                        layers.stream().map(SampleImage::json).collect(Collectors.joining(",")));
        var artifact = registry.addManifest(REPOSITORY, null, mediaType, manifest.getBytes(StandardCharsets.UTF_8));
        return new ImageEntry(
                artifact,
                registry.repository(REPOSITORY),
                true,
                BackgroundFetch.NEVER,
                PrefetchPolicy.LEARN,
                List.of(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }
}
