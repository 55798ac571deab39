package dev.thaw.demo;

import static dev.thaw.demo.Timeline.bytes;
import static dev.thaw.demo.Timeline.seconds;

import dev.thaw.converter.rehearsal.EmbeddedRegistry;
import dev.thaw.crds.BackgroundFetch;
import dev.thaw.crds.ConditionType;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * Shows Thaw at work on one machine: an image is made, or copied, into an embedded registry; a LazyImage is applied to an
 * embedded Kubernetes API; the operator has it converted; and a container starts from it through the agent.
 */
public final class Demo {
    private static final String NAME = "demo";
    private static final Duration CONVERSION_LIMIT = Duration.ofMinutes(30);
    private static final Duration REPORT_LIMIT = Duration.ofSeconds(40);

    private final Timeline timeline = new Timeline(System.out);
    private final Cleanup cleanup;
    private final Optional<Reference> given;

    private Demo(Cleanup cleanup, Optional<Reference> given) {
        this.cleanup = cleanup;
        this.given = given;
    }

    /** @param arguments the reference of an image; none: one is made of the JDK on this machine */
    public static void main(String[] arguments) {
        if (arguments.length > 1 || arguments.length == 1 && arguments[0].startsWith("-")) {
            System.err.println("usage: demo [REFERENCE]");
            System.exit(2);
        }
        Logger.getLogger("").setLevel(Level.WARNING); // the embedded API tells of every request
        int status = 1;
        var cleanup = new Cleanup();
        try (cleanup) {
            Runtime.getRuntime().addShutdownHook(new Thread(cleanup::close, "cleanup"));
            new Demo(cleanup, List.of(arguments).stream().map(Reference::parse).findFirst()).run();
            status = 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception e) {
            System.err.println("demo: " + e.getMessage());
        }
        System.exit(status);
    }

    private void run() throws Exception {
        var place = cleanup.keep(Workplace::new);
        var log = place.path("demo.log");
        System.setProperty("thaw.demo.log", log.toString());
        try {
            show(place);
        } catch (Exception e) {
            if (cleanup.isClosed()) {
                throw new InterruptedException("the demo was told to end");
            }
            LastLines.print(place);
            throw e;
        }
    }

    private void show(Workplace place) throws Exception {
        var run = place.folder("run");
        var containerdSocket = run.resolve("containerd.sock");
        var token = UUID.randomUUID().toString();
        var server = cleanup.keep(() -> new EmbeddedRegistry(place.folder("registry")));
        var settings = RegistrySettings.defaults().withPlainHttp(server.host());
        var registry = cleanup.keep(() -> new RegistryClient(settings, CredentialSource.anonymous()));
        timeline.say("work in %s (%s)", place.path(""), place.fileSystem());

        var image = source(registry, server.host(), place.folder("image"));
        timeline.say("image %s: %d layers, %s to pull", image.reference(), image.layers(), bytes(image.bytes()));

        var cluster = cleanup.keep(() -> new EmbeddedCluster(token));
        var client = cluster.client();
        var kubelet = cleanup.keep(() -> new Kubelet(
                client,
                cleanup,
                place.folder("jobs"),
                cluster::keepLog,
                (job, process) -> timeline.say("Job %s runs: the converter is process %d", job, process)));
        var operator = cleanup.keep(() -> new RunningOperator(client, server.host(), place.folder("operator")));
        var binaries = ContainerdRuntime.binaries();
        var standIn = binaries.isPresent()
                ? Optional.<StandInContainerd>empty()
                : Optional.of(cleanup.keep(() -> new StandInContainerd(containerdSocket)));
        var agent = new RunningAgent(place, cleanup, run, containerdSocket, operator, token, server.host());
        var runtime = standIn.isPresent()
                ? new PlainRuntime(agent.socket(), standIn.get(), registry, server::sentBytes, place, cleanup)
                : cleanup.keep(
                        () -> ContainerdRuntime.start(binaries.orElseThrow(), containerdSocket, agent.socket(), place));
        timeline.say("operator and agent run; driver %s", agent.driver());
        timeline.say("container runtime: %s", runtime.description());

        timeline.begin();
        timeline.say("apply LazyImage %s/%s", EmbeddedCluster.NAMESPACE, NAME);
        apply(client, image.reference());
        var ready = await(client, CONVERSION_LIMIT, status -> holds(status, ConditionType.READY));
        converted(ready);

        var lazy = Reference.parse(Objects.requireNonNull(ready.lazyImage()));
        agent.awaitImage(Digest.parse(ready.platforms().getFirst().artifactDigest()));
        var pod = kubelet.bind(NAME, lazy.toString());
        timeline.say("pod %s/%s is bound to %s; pull %s", EmbeddedCluster.NAMESPACE, NAME, EmbeddedCluster.NODE, lazy);

        long sentBefore = server.sentBytes();
        long requestsBefore = server.rangeRequests();
        var start = runtime.start(lazy, pod, timeline);
        kubelet.ready(pod);
        start.entrypoint()
                .ifPresent(at -> timeline.at(
                        at,
                        "ENTRYPOINT runs, %s after the pull began; %s fetched by then",
                        seconds(Duration.between(start.pullBegan(), at)),
                        bytes(start.fetchedAtEntrypoint())));
        timeline.at(
                start.answered(),
                "%s",
                start.firstLine().map(line -> "it says: " + line).orElse("it has nothing to say"));
        long fetched = server.sentBytes() - sentBefore;
        long requests = server.rangeRequests() - requestsBefore;

        var known = await(
                client,
                REPORT_LIMIT,
                status -> status.coldStart() != null && status.coldStart().ready() != null);
        timeline.say("the agent has reported, and the operator has written it down");
        summary(image, start, fetched, requests, known);
    }

    private SourceImage source(RegistryClient registry, String host, Path work) throws IOException {
        if (given.isEmpty()) {
            return JdkImage.push(registry, Reference.parse(host + "/demo/jdk:1"), work);
        }
        var source = given.get();
        var tag = Optional.ofNullable(source.tag()).orElse("copy");
        return ImageCopy.copy(source, registry, Reference.parse(host + "/" + source.repository() + ":" + tag));
    }

    private static void apply(KubernetesClient client, Reference image) {
        var lazyImage = new LazyImage();
        lazyImage.setMetadata(new ObjectMetaBuilder()
                .withNamespace(EmbeddedCluster.NAMESPACE)
                .withName(NAME)
                .withGeneration(1L)
                .build());
        // Else the rest would be fetched too, a while after the start, and the figures would not show what was needed.
        lazyImage.setSpec(LazyImageSpec.builder(image.toString())
                .backgroundFetch(BackgroundFetch.NEVER)
                .build());
        client.resource(lazyImage).create();
    }

    private static LazyImageStatus await(KubernetesClient client, Duration limit, Predicate<LazyImageStatus> wanted)
            throws IOException, InterruptedException {
        var last = LazyImageStatus.EMPTY;
        for (var end = Instant.now().plus(limit); Instant.now().isBefore(end); Thread.sleep(50)) {
            var found = client.resources(LazyImage.class)
                    .inNamespace(EmbeddedCluster.NAMESPACE)
                    .withName(NAME)
                    .require()
                    .getStatus();
            last = found == null ? last : found;
            if (wanted.test(last)) {
                return last;
            }
            if (last.condition(ConditionType.DEGRADED)
                    .filter(condition -> condition.holds())
                    .isPresent()) {
                break;
            }
        }
        throw new IOException("the LazyImage does not get there: "
                + last.condition(ConditionType.READY)
                        .map(condition -> condition.reason().word() + ": " + condition.message())
                        .orElse("the operator has not said a word"));
    }

    private static boolean holds(LazyImageStatus status, ConditionType type) {
        return status.condition(type).filter(condition -> condition.holds()).isPresent();
    }

    private void converted(LazyImageStatus status) {
        timeline.say("LazyImage is Ready: %s", Objects.requireNonNull(status.lazyImage()));
        var artifact = status.artifact();
        if (artifact != null) {
            timeline.detail(
                    "converted and verified in %s: %s in %d files, stored as %s in %d chunks",
                    Objects.requireNonNullElse(artifact.duration(), "an unknown time"),
                    bytes(artifact.contentBytes()),
                    artifact.files(),
                    bytes(artifact.blobBytes()),
                    artifact.chunks());
        }
    }

    private void summary(
            SourceImage image, ContainerRuntime.Start start, long fetched, long requests, LazyImageStatus status) {
        var cold = status.coldStart();
        var measured = cold == null || cold.entrypoint() == null
                ? "unknown"
                : cold.entrypoint().p50();
        var seen = start.entrypoint()
                .map(at ->
                        " from the first layer on; %s from the pull's first request on (the demo's watch: no containerd here)"
                                .formatted(seconds(Duration.between(start.pullBegan(), at))))
                .orElse(" from the first layer on, as containerd and the agent measured it");
        System.out.println();
        System.out.printf("bytes in the image    %s%n", bytes(image.bytes()));
        System.out.printf(
                "bytes fetched         %s (%d %%) in %d requests%n",
                bytes(fetched), Math.round(100.0 * fetched / image.bytes()), requests);
        System.out.printf("time to ENTRYPOINT    %s%s%n", measured, seen);
        System.out.printf("time to first output  %s%n", seconds(Duration.between(start.pullBegan(), start.answered())));
        System.out.println("status of the LazyImage:");
        status.conditions()
                .forEach(condition -> System.out.printf(
                        "  %-10s %-8s %s%n",
                        condition.type().word(),
                        condition.status().word(),
                        condition.reason().word()));
        if (cold != null) {
            System.out.printf(
                    "  coldStart  entrypoint %s, ready %s, on demand %s, ahead %s, touched %s%n",
                    measured,
                    cold.ready() == null ? "unknown" : cold.ready().p50(),
                    bytes(cold.demandBytes()),
                    bytes(cold.aheadBytes()),
                    cold.touched());
        }
        status.nodes()
                .forEach(node -> System.out.printf(
                        "  node       %s %s, %d %% cached%n",
                        node.node(), node.phase().word(), node.cachedPercent()));
        System.out.flush();
    }
}
