package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.AgentProcess;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.oci.Digest;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.MediaTypes;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the whole program takes of a node's memory while it serves many images, some of them with very many files. */
final class AgentFootprintIT {
    private static final int IMAGES = 50;
    private static final int LARGE_IMAGES = 3;
    private static final int FILES = 1_000_000;
    private static final int FILES_IN_FOLDER = 1000;
    private static final long LIMIT_KIB = 200 << 10;
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    @TempDir
    Path temp;

    private final FakeRegistry registry = FakeRegistry.start();
    private Process agent;

    @BeforeEach
    void requireMounts() {
        assumeTrue("root".equals(System.getProperty("user.name")), "mounting needs root");
        assumeTrue(Files.exists(Path.of("/dev/fuse")), "there is no /dev/fuse");
    }

    @AfterEach
    void unmountEverything() throws Exception {
        if (agent != null) {
            agent.destroyForcibly().waitFor();
        }
        registry.close();
        Mounts.detachAll(temp);
        assertThat(MountTable.read().below(temp)).isEmpty();
    }

    @Test
    void staysBelow200MiBWithFiftyImagesAndAMillionFilesInSome() throws Exception {
        var small = SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of());
        var large = SampleImage.publish(
                registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of(), 2, "{}", upper -> {
                    upper.directory("many", 0755);
                    for (int file = 0; file < FILES; file++) {
                        var folder = "many/%03d".formatted(file / FILES_IN_FOLDER);
                        if (file % FILES_IN_FOLDER == 0) {
                            upper.directory(folder, 0755);
                        }
                        upper.file("%s/file-%d".formatted(folder, file), 0644, 0, 0, new byte[0], List.of());
                    }
                });
        var artifacts = new ArrayList<Digest>();
        for (int number = 0; number < IMAGES; number++) {
            artifacts.add(variant(number < LARGE_IMAGES ? large : small, number));
        }
        publishIndex(artifacts);
        var socket = start(small.entry().repository().name());

        var wanted = MountedTree.sha256(small.tree().get("data/big").content());
        for (int number = 0; number < IMAGES; number++) {
            var root = PreparedContainer.of(socket, artifacts.get(number));
            var read = MountedTree.sha256(Files.readAllBytes(root.resolve("data/big")));
            if (number >= LARGE_IMAGES) {
                assertThat(read).isEqualTo(wanted);
            } else {
                try (var files = Files.list(root.resolve("many/500"))) {
                    assertThat(files).hasSize(FILES_IN_FOLDER);
                }
            }
        }
        System.out.println("footprint: when all were read: " + memory());
        await().atMost(PATIENCE)
                .pollInterval(Duration.ofSeconds(1))
                .untilAsserted(() -> assertThat(kibibytes("VmRSS")).isLessThan(LIMIT_KIB));
        Thread.sleep(Duration.ofSeconds(45));
        System.out.println("footprint: later: " + memory());
        assertThat(kibibytes("VmRSS")).as(this::memory).isLessThan(LIMIT_KIB);
    }

    /** The same image under another digest. */
    private Digest variant(SampleImage image, int number) {
        var manifest = new String(
                registry.manifest(SampleImage.REPOSITORY, image.artifact().toString())
                        .orElseThrow(),
                StandardCharsets.UTF_8);
        return registry.addManifest(
                SampleImage.REPOSITORY,
                null,
                MediaTypes.OCI_MANIFEST,
                manifest.replace(
                                "\"thaw.dev/format\":\"1\"",
                                "\"thaw.dev/format\":\"1\",\"number\":\"%d\"".formatted(number))
                        .getBytes(StandardCharsets.UTF_8));
    }

    private void publishIndex(List<Digest> artifacts) {
        var entries = artifacts.stream()
                .map(artifact -> """
                        {"mediaType":"%s","digest":"%s","size":%d,\
                        "artifactType":"application/vnd.nydus.image.manifest.v1+json"}""".formatted(
                                MediaTypes.OCI_MANIFEST,
                                artifact,
                                registry.manifest(SampleImage.REPOSITORY, artifact.toString())
                                        .orElseThrow()
                                        .length))
                .toList();
        registry.addManifest(
                SampleImage.REPOSITORY,
                "lazy",
                MediaTypes.OCI_INDEX,
                "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[%s]}"
                        .formatted(MediaTypes.OCI_INDEX, String.join(",", entries))
                        .getBytes(StandardCharsets.UTF_8));
    }

    private Path start(String repository) throws IOException, InterruptedException {
        Files.writeString(temp.resolve("agent.yaml"), """
                root: %1$s/agent
                socket: %1$s/agent.sock
                holder: %1$s/no-holder.sock
                http: {address: 127.0.0.1, port: 0}
                driver: Erofs
                containerd: {socket: %1$s/no-containerd.sock}
                images: ["%2$s:lazy"]
                registries: [{host: "%3$s", plainHttp: true}]
                """.formatted(temp, repository, registry.host()));
        agent = AgentProcess.rehearsed(temp)
                .start(
                        temp.resolve("agent.log"),
                        "serve",
                        "--config",
                        temp.resolve("agent.yaml").toString());
        var socket = temp.resolve("agent.sock");
        await().atMost(PATIENCE).until(() -> Files.exists(socket));
        System.out.println("footprint: ready: " + memory());
        return socket;
    }

    /** What the kernel counts, by proc(5): resident in all, of it anonymous and of files, and the most it ever was. */
    private String memory() {
        return "VmRSS %d MiB, RssAnon %d, RssFile %d, VmHWM %d"
                .formatted(
                        kibibytes("VmRSS") >> 10,
                        kibibytes("RssAnon") >> 10,
                        kibibytes("RssFile") >> 10,
                        kibibytes("VmHWM") >> 10);
    }

    private long kibibytes(String field) {
        try {
            return Files.readAllLines(Path.of("/proc", Long.toString(agent.pid()), "status")).stream()
                    .filter(line -> line.startsWith(field + ":"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                    .sum();
        } catch (IOException e) {
            throw new AssertionError("the agent has ended", e);
        }
    }
}
