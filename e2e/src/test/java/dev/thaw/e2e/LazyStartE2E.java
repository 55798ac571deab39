package dev.thaw.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.RegistryException;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestWatcher;
import org.junit.jupiter.api.io.TempDir;

/**
 * From {@code helm install} to a lazily started pod and back to a cluster without a trace. The steps are one story and
 * run in order; each says what a user would check at that point.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@ExtendWith(LazyStartE2E.Diagnosis.class)
class LazyStartE2E {
    private static final String TESTS = "thaw-e2e";
    private static final Duration A_MINUTE = Duration.ofMinutes(1);
    /**
     * Less disk than the image's table of contents takes, and so little processor time that kubelet, which measures once a
     * minute, sees it.
     */
    private static final String NO_ROOM = "resources: {limits: {cpu: 100m, ephemeral-storage: 64Ki}}";

    private static final Registry.Account ACCOUNT = new Registry.Account(
            "puller", "open sesame", "puller:$2y$05$mPcS6zSJJEvSRpxQCE.Q9.qaQeapm0BSBG8PptyeDVUa5BOv.r3TS");

    private final Surroundings surroundings = Surroundings.fromEnvironment();

    @TempDir
    Path temp;

    private Cluster cluster;
    private List<Node> nodes;
    /** The node of the story; where there are more, they are looked at in steps of their own. */
    private Node node;

    private Map<String, NodeProbe> probes;
    private NodeProbe probe;
    private Registry registry;
    private Map<String, String> containerdBefore;
    private ImageManifest source;
    private long sourceBytes;
    private String treeOnOverlayfs;

    @BeforeAll
    void setUp() throws IOException {
        cluster = new Cluster(surroundings.kubeconfig());
        nodes = cluster.nodes();
        node = nodes.getFirst();
        cluster.namespace(TESTS);
        probes = nodes.stream()
                .collect(Collectors.toMap(
                        LazyStartE2E::name, one -> new NodeProbe(cluster, TESTS, one, surroundings.toolsImage())));
        probe = probes.get(name(node));
        registry = new Registry(cluster, TESTS, "registry", 5001, surroundings.registryImage(), Optional.of(ACCOUNT));
        trustPlainHttp(registry.host());
        source = Registry.Layouts.manifest(surroundings.pythonLayout());
        sourceBytes = Registry.layerBytes(source);
        containerdBefore = containerdConfiguration();
    }

    private static String name(Node node) {
        return node.getMetadata().getName();
    }

    private void trustPlainHttp(String host) {
        onEachNode(
                "mkdir -p /etc/containerd/certs.d/%1$s && printf 'server = \"http://%1$s\"\\n[host.\"http://%1$s\"]\\n' > /etc/containerd/certs.d/%1$s/hosts.toml"
                        .formatted(host));
    }

    private void onEachNode(String script) {
        probes.values().forEach(one -> one.shell(script));
    }

    /** The file's bytes, in base64, by node. */
    private Map<String, String> containerdConfiguration() {
        return probes.entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey, one -> one.getValue().run("base64", "/etc/containerd/config.toml")));
    }

    @AfterAll
    void tearDown() throws IOException {
        if (cluster != null) {
            if (registry != null) {
                onEachNode("rm -rf /etc/containerd/certs.d/" + registry.host());
                registry.close();
            }
            cluster.client().namespaces().withName(TESTS).delete();
            cluster.close();
        }
    }

    @Test
    @Order(1)
    void helmInstallGivesAReadySystem() throws IOException {
        Installation.install(surroundings, registry.host(), temp);

        Cluster.await(
                "the nodes to be labelled as ready for lazy pods",
                Duration.ofMinutes(3),
                cluster::nodes,
                seen -> seen.stream()
                        .allMatch(one ->
                                "ready".equals(one.getMetadata().getLabels().get("thaw.dev/agent"))));
        assertThat(runtimeClass("runc-lazy")).as("RuntimeClass runc-lazy").isNotNull();
        Cluster.await(
                "the SnapshotterConfig to be Ready",
                A_MINUTE,
                () -> condition(snapshotterConfig(), "Ready"),
                "True"::equals);
        String reason = snapshotterConfig().get("status", "versions", 0, "driverReason");
        assertThat(reason).as("why the nodes' driver was chosen").isNotBlank();
    }

    private GenericKubernetesResource snapshotterConfig() {
        return cluster.client()
                .genericKubernetesResources("thaw.dev/v1alpha1", "SnapshotterConfig")
                .list()
                .getItems()
                .getFirst();
    }

    @Test
    @Order(2)
    void anOrdinaryPodGivesTheTreeToCompareWith() {
        cluster.apply(registry.secret(TESTS, "pull", ACCOUNT.password()));
        cluster.apply(pod("ordinary", "", image("1"), ""));
        cluster.awaitReady(TESTS, "ordinary", Duration.ofMinutes(3));
        treeOnOverlayfs = cluster.exec(TESTS, "ordinary", "app", "python3", "/app/walk.py");
        assertThat(treeOnOverlayfs.lines().count()).isGreaterThan(2000);
        assertThat(cluster.pod(TESTS, "ordinary").getSpec().getRuntimeClassName())
                .isNull();
        delete("ordinary");
        // so that no layer of it is on the node when the lazy pod starts
        Cluster.await("the pod to go", A_MINUTE, () -> cluster.pod(TESTS, "ordinary") == null, gone -> gone);
    }

    @Test
    @Order(3)
    void aLazyImageIsConvertedAndReady() throws IOException {
        cluster.apply("""
                apiVersion: thaw.dev/v1alpha1
                kind: LazyImage
                metadata: {name: app, namespace: %s}
                spec:
                  image: %s
                  backgroundFetch: Never
                  pullSecrets: [{name: pull}]
                  pushSecret: {name: pull}
                """.formatted(TESTS, image("1")));
        Cluster.await(
                "the LazyImage to be Ready",
                Duration.ofMinutes(5),
                () -> condition(cluster.lazyImage(TESTS, "app"), "Ready"),
                "True"::equals);

        var image = cluster.lazyImage(TESTS, "app");
        assertThat(condition(image, "Verified")).isEqualTo("True");
        assertThat(text(image, "status", "mode")).isEqualTo("Convert");
        assertThat(text(image, "status", "lazyImage")).startsWith(registry.host() + "/team/app@sha256:");
        assertThat(text(image, "status", "source", "digest"))
                .isEqualTo(source.digest().toString());
        try (var client = registry.open()) {
            var index = (ImageIndex) client.manifest(registry.reference("team/app", "1-thaw"));
            assertThat(index.manifests()).hasSize(2);
            var lazy = (ImageManifest) client.manifest(registry.reference("team/app", "1")
                    .withDigest(index.manifests().getFirst().digest()));
            assertThat(lazy.layers().subList(1, lazy.layers().size()))
                    .as("the original layers, byte for byte, behind the marker")
                    .extracting(layer -> layer.digest())
                    .containsExactlyElementsOf(source.layers().stream()
                            .map(layer -> layer.digest())
                            .toList());
        }
    }

    @Test
    @Order(4)
    void anAnnotatedPodAnswersWhileMostOfItsImageIsStillInTheRegistry() {
        var layersBefore = layerDownloads();
        cluster.apply("""
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: app, namespace: %s}
                spec:
                  replicas: 1
                  selector: {matchLabels: {app: app}}
                  template:
                    metadata:
                      labels: {app: app}
                      annotations: {thaw.dev/lazy: "true"}
                    spec:
                      nodeSelector: {kubernetes.io/hostname: %s}
                      terminationGracePeriodSeconds: 0
                      imagePullSecrets: [{name: pull}]
                      containers:
                      - name: app
                        image: %s
                        ports: [{containerPort: 8000}]
                        readinessProbe: {httpGet: {path: /, port: 8000}, periodSeconds: 1}
                """.formatted(TESTS, hostname(node), image("1")));
        var pod = Cluster.await(
                        "the lazy pod to be ready",
                        Duration.ofMinutes(2),
                        this::appPod,
                        found -> found.filter(Cluster::isReady).isPresent())
                .orElseThrow();

        assertThat(pod.getSpec().getRuntimeClassName()).isEqualTo("runc-lazy");
        assertThat(pod.getSpec().getContainers().getFirst().getImage())
                .startsWith(registry.host() + "/team/app@sha256:");
        assertThat(pod.getMetadata().getAnnotations()).containsEntry("thaw.dev/original-image.app", image("1"));
        assertThat(cluster.httpGet(TESTS, pod.getMetadata().getName(), 8000, "/"))
                .contains("samples");
        assertThat(fetchedBytes(node))
                .as("bytes that the agent fetched when the server answers, of %d", sourceBytes)
                .isPositive()
                .isLessThan(sourceBytes / 4);
        assertThat(layerDownloads()).as("layers that containerd downloaded").isEqualTo(layersBefore);
        assertThat(rootOf(pod)).as("the root of the container").startsWith("overlay");
    }

    @Test
    @Order(5)
    void theStatusTellsTheColdStartOfThisNode() {
        var image = Cluster.await(
                "the cold start to be reported",
                Duration.ofMinutes(2),
                () -> cluster.lazyImage(TESTS, "app"),
                found -> !text(found, "status", "coldStart", "ready", "p50").isEmpty()
                        && found.get("status", "nodes") != null
                        && fetchedBytesIn(found) > sourceBytes / 100);
        assertThat(seconds(text(image, "status", "coldStart", "entrypoint", "p50")))
                .isBetween(0.0, 60.0);
        assertThat(seconds(text(image, "status", "coldStart", "ready", "p50")))
                .isGreaterThanOrEqualTo(seconds(text(image, "status", "coldStart", "entrypoint", "p50")));
        assertThat(fetchedBytesIn(image)).isLessThan(sourceBytes / 4);
        List<Map<String, Object>> nodes = image.get("status", "nodes");
        assertThat(nodes)
                .extracting(row -> row.get("node"))
                .contains(node.getMetadata().getName());
    }

    private static long fetchedBytesIn(GenericKubernetesResource image) {
        return Long.parseLong(text(image, "status", "coldStart", "demandBytes"))
                + Long.parseLong(text(image, "status", "coldStart", "aheadBytes"));
    }

    @Test
    @Order(6)
    void everyFileIsAsOnOverlayfs() {
        var lazy = cluster.exec(TESTS, appPodName(), "app", "python3", "/app/walk.py");
        assertThat(lines(lazy)).isEqualTo(lines(treeOnOverlayfs));
    }

    private static List<String> lines(String walk) {
        return walk.lines().collect(Collectors.toList());
    }

    @Test
    @Order(7)
    void theContainerWritesRenamesAndDeletesAsOnAnyRoot() {
        var script = """
                import os, shutil
                with open('/srv/replaced/above', 'a') as f: f.write('more')
                assert open('/srv/replaced/above').read() == 'above\\nmore'
                os.rename('/srv/links/first', '/srv/links/renamed')
                assert open('/srv/links/renamed').read() == 'linked\\n' and not os.path.exists('/srv/links/first')
                os.remove('/srv/empty'); assert not os.path.exists('/srv/empty')
                shutil.rmtree('/srv/links'); os.mkdir('/srv/links'); assert os.listdir('/srv/links') == []
                os.chmod('/srv/zeros', 0o600); assert os.stat('/srv/zeros').st_size == 3 << 20
                with open('/srv/model.bin', 'r+b') as f:
                    f.seek(150_000_000); f.write(b'changed')
                with open('/srv/model.bin', 'rb') as f:
                    f.seek(150_000_000); assert f.read(7) == b'changed'
                print('done')
                """;
        assertThat(cluster.exec(TESTS, appPodName(), "app", "python3", "-c", script))
                .contains("done");
    }

    @Test
    @Order(8)
    void logsAndARestartOfTheContainerWork() {
        var pod = appPod().orElseThrow();
        var name = pod.getMetadata().getName();
        assertThat(cluster.client().pods().inNamespace(TESTS).withName(name).getLog())
                .contains("ready: head sums to");
        int restarts = Cluster.status(pod, "app").getRestartCount();
        cluster.tryExec(TESTS, name, "app", "python3", "-c", "import os; os.kill(1, 15); os.kill(1, 9)");
        endProcess(name);
        Cluster.await(
                "the container to be restarted",
                A_MINUTE,
                () -> cluster.pod(TESTS, name),
                found -> Cluster.status(found, "app").getRestartCount() > restarts && Cluster.isReady(found));
        assertThat(cluster.exec(TESTS, name, "app", "python3", "-c", "print(open('/srv/replaced/above').read())"))
                .as("a restarted container has the image's files again")
                .isEqualTo("above\n\n");
    }

    /** Process 1 of a container takes no signal that it has no handler for, save from outside. */
    private void endProcess(String pod) {
        var id = Cluster.status(cluster.pod(TESTS, pod), "app").getContainerID().replaceFirst(".*//", "");
        probe.shell(
                "for p in /proc/[0-9]*; do if grep -qs %s $p/cgroup && grep -qs server.py $p/cmdline; then kill -9 ${p#/proc/}; fi; done"
                        .formatted(id));
    }

    @Test
    @Order(9)
    void aSecondPodOnTheNodeFetchesNothingAgain() {
        long before = fetchedBytes(node);
        cluster.apply(pod("second", "thaw.dev/lazy: \"true\"", image("1"), ""));
        cluster.awaitReady(TESTS, "second", A_MINUTE);
        assertThat(cluster.pod(TESTS, "second").getSpec().getRuntimeClassName()).isEqualTo("runc-lazy");
        assertThat(fetchedBytes(node)).isEqualTo(before);
        delete("second");
    }

    @Test
    @Order(10)
    void anotherNodeStartsItToo() {
        assumeTrue(nodes.size() > 1, "the cluster has one node only");
        var other = nodes.get(1);
        var layersBefore = layerDownloads();
        cluster.apply(pod("elsewhere", "thaw.dev/lazy: \"true\"", image("1"), "", other));
        cluster.awaitReady(TESTS, "elsewhere", Duration.ofMinutes(2));
        assertThat(cluster.pod(TESTS, "elsewhere").getSpec().getRuntimeClassName())
                .isEqualTo("runc-lazy");
        assertThat(fetchedBytes(other))
                .as(
                        "bytes that the other node's agent fetched, though the first one's pod read all of %d since",
                        sourceBytes)
                .isPositive()
                .isLessThan(sourceBytes / 4);
        assertThat(layerDownloads()).isEqualTo(layersBefore);
        assertThat(lines(cluster.exec(TESTS, "elsewhere", "app", "python3", "/app/walk.py")))
                .isEqualTo(lines(treeOnOverlayfs));
        Cluster.await(
                "the status to tell of both nodes",
                Duration.ofMinutes(2),
                () -> {
                    List<Map<String, Object>> rows =
                            cluster.lazyImage(TESTS, "app").get("status", "nodes");
                    return rows.stream().map(row -> row.get("node")).toList();
                },
                names -> names.contains(name(node)) && names.contains(name(other)));
        delete("elsewhere");
    }

    @Test
    @Order(11)
    void anOrdinarySidecarRunsInALazyPodAndAnOrdinaryPodIsLeftAlone() {
        cluster.apply(pod(
                "mixed",
                "thaw.dev/lazy: \"true\"",
                image("1"),
                "\n  - {name: sidecar, image: \"%s\", imagePullPolicy: IfNotPresent, command: [httpd, -f, -p, \"8080\", -h, /www]}"
                        .formatted(surroundings.toolsImage())));
        cluster.apply("""
                apiVersion: v1
                kind: Pod
                metadata: {name: untouched, namespace: %s}
                spec:
                  terminationGracePeriodSeconds: 0
                  containers: [{name: app, image: "%s", imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}]
                """.formatted(TESTS, surroundings.toolsImage()));
        cluster.awaitReady(TESTS, "mixed", A_MINUTE);
        cluster.awaitReady(TESTS, "untouched", A_MINUTE);
        assertThat(cluster.httpGet(TESTS, "mixed", 8080, "/index.html")).contains("page of the sidecar");
        assertThat(cluster.httpGet(TESTS, "mixed", 8000, "/")).contains("samples");
        cluster.exec(
                TESTS,
                "mixed",
                "sidecar",
                "sh",
                "-c",
                "echo x > /www/written && rm /www/index.html && cat /www/written");
        assertThat(cluster.client()
                        .genericKubernetesResources("thaw.dev/v1alpha1", "LazyImage")
                        .inNamespace(TESTS)
                        .list()
                        .getItems())
                .as("no LazyImage is made for a sidecar that could not be published")
                .extracting(made -> made.getMetadata().getName())
                .containsExactly("app");
        var untouched = cluster.pod(TESTS, "untouched");
        assertThat(untouched.getSpec().getRuntimeClassName()).isNull();
        assertThat(untouched.getSpec().getContainers().getFirst().getImage()).isEqualTo(surroundings.toolsImage());
        for (var name : List.of("mixed", "untouched")) {
            delete(name);
        }
    }

    @Test
    @Order(12)
    void containersKeepReadingWhenTheAgentIsKilledAndComesBack() {
        var pod = appPodName();
        var agent = agentPod(node);
        // touches files that nobody read yet, again and again, over the time of the kill
        var reader = """
                import hashlib, os, time
                end = time.time() + 25
                with open('/srv/model.bin', 'rb', buffering=0) as f:
                    size, at, count = os.fstat(f.fileno()).st_size, 0, 0
                    while time.time() < end:
                        at = (at * 1103515245 + 12345) % (1 << 31)
                        data = os.pread(f.fileno(), 65536, at % (size - 65536))
                        assert len(data) == 65536
                        count += 1
                        time.sleep(0.02)
                for name in sorted(os.listdir('/usr/lib/python3.11')): os.lstat('/usr/lib/python3.11/' + name)
                print('read', count)
                """;
        var output = new StringBuilder();
        var reading = Thread.ofPlatform()
                .start(() -> output.append(cluster.tryExec(TESTS, pod, "app", "python3", "-c", reader)
                        .output()));
        Cluster.sleep(Duration.ofSeconds(5));
        killAgent(agent);
        Cluster.await(
                "the agent to be back",
                Duration.ofMinutes(2),
                () -> agentPod(node),
                found -> Cluster.isReady(found)
                        && Cluster.status(found, "agent").getRestartCount()
                                > Cluster.status(agent, "agent").getRestartCount());
        join(reading);
        assertThat(output.toString()).contains("read ").doesNotContain("Error");
        assertThat(lines(cluster.exec(TESTS, pod, "app", "python3", "/app/walk.py", "/usr")))
                .isEqualTo(lines(treeOnOverlayfs).stream()
                        .filter(line -> under(line, "/usr"))
                        .toList());
    }

    private static boolean under(String line, String root) {
        var path =
                new String(HexFormat.of().parseHex(line.substring(0, line.indexOf(' '))), StandardCharsets.ISO_8859_1);
        return path.equals(root) || path.startsWith(root + "/");
    }

    private static void join(Thread thread) {
        try {
            thread.join(Duration.ofMinutes(2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    private void killAgent(Pod agent) {
        var id = Cluster.status(agent, "agent").getContainerID().replaceFirst(".*//", "");
        probe.shell(
                "for p in /proc/[0-9]*; do if grep -qs %s $p/cgroup; then kill -9 ${p#/proc/}; fi; done".formatted(id));
    }

    @Test
    @Order(13)
    void theLazyImageAlsoRunsAsAnOrdinaryImageOnOverlayfs() {
        cluster.apply(pod("plain", "", registry.host() + "/team/app:1-thaw", ""));
        cluster.awaitReady(TESTS, "plain", Duration.ofMinutes(3));
        assertThat(cluster.pod(TESTS, "plain").getSpec().getRuntimeClassName()).isNull();
        assertThat(lines(cluster.exec(TESTS, "plain", "app", "python3", "/app/walk.py")))
                .isEqualTo(lines(treeOnOverlayfs));
        delete("plain");
    }

    @Test
    @Order(14)
    void whatCannotBeConvertedSaysWhyAndPublishesNothing() throws IOException {
        registry.pushLayer(
                "bad/corrupt",
                "1",
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "no gzip at all".getBytes(StandardCharsets.UTF_8));
        registry.pushLayer(
                "bad/unsupported", "1", "application/vnd.example.layer.v1.zip", "PK".getBytes(StandardCharsets.UTF_8));
        cluster.apply(registry.secret(TESTS, "wrong", "not the password"));
        var nowhere = Cluster.addressOf(node) + ":1";
        bad("missing", registry.host() + "/team/app:no-such-tag", "pull", "pull", "");
        bad("unauthorised", image("1"), "wrong", "wrong", "");
        bad("unreachable", nowhere + "/team/app:1", "pull", "pull", "");
        bad("corrupt", registry.host() + "/bad/corrupt:1", "pull", "pull", "");
        bad("unsupported", registry.host() + "/bad/unsupported:1", "pull", "pull", "");
        bad("forbidden", image("1"), "pull", "wrong", "target: {repository: %s/bad/target}".formatted(registry.host()));
        bad("no-room", image("1"), "pull", "pull", "target: {tag: no-room}\n  chunkSize: 64Ki", NO_ROOM);

        assertReason("missing", "SourceNotFound");
        assertReason("unauthorised", "SourceUnauthorized");
        assertReason("unreachable", "RegistryUnavailable");
        assertReason("corrupt", "CorruptLayer");
        assertReason("unsupported", "UnsupportedMediaType");
        assertReason("forbidden", "TargetForbidden");
        assertReason("no-room", "DiskFull");
        try (var client = registry.open()) {
            for (var target : List.of(
                    registry.reference("bad/corrupt", "1-thaw"),
                    registry.reference("bad/unsupported", "1-thaw"),
                    registry.reference("bad/target", "1-thaw"),
                    registry.reference("team/app", "no-room"))) {
                assertThatThrownBy(() -> client.manifest(target))
                        .as("a lazy image at %s", target)
                        .isInstanceOf(RegistryException.NotFound.class);
            }
        }
        // and a pod that wants one of them runs its own image
        cluster.apply(
                pod("unconverted", "thaw.dev/lazy: \"true\", thaw.dev/lazy-image.app: forbidden", image("1"), ""));
        assertThat(cluster.pod(TESTS, "unconverted")
                        .getSpec()
                        .getContainers()
                        .getFirst()
                        .getImage())
                .isEqualTo(image("1"));
        delete("unconverted");
        for (var name :
                List.of("missing", "unauthorised", "unreachable", "corrupt", "unsupported", "forbidden", "no-room")) {
            cluster.client()
                    .genericKubernetesResources("thaw.dev/v1alpha1", "LazyImage")
                    .inNamespace(TESTS)
                    .withName(name)
                    .delete();
        }
    }

    private void bad(String name, String image, String pullSecret, String pushSecret, String more) {
        bad(name, image, pullSecret, pushSecret, more, "");
    }

    private void bad(
            String name, String image, String pullSecret, String pushSecret, String more, String converterMore) {
        cluster.apply("""
                apiVersion: thaw.dev/v1alpha1
                kind: LazyImage
                metadata: {name: %s, namespace: %s}
                spec:
                  image: %s
                  pullSecrets: [{name: %s}]
                  pushSecret: {name: %s}
                  converter: {backoffLimit: 0%s}
                  %s
                """.formatted(
                name, TESTS, image, pullSecret, pushSecret, converterMore.isEmpty() ? "" : ", " + converterMore, more));
    }

    private void assertReason(String name, String reason) {
        var image = Cluster.await(
                name + " to be refused with " + reason,
                Duration.ofMinutes(5),
                () -> cluster.lazyImage(TESTS, name),
                found -> conditions(found).stream()
                        .anyMatch(condition ->
                                reason.equals(condition.get("reason")) && "False".equals(condition.get("status"))));
        assertThat(condition(image, "Ready")).isEqualTo("False");
        assertThat(conditions(image))
                .filteredOn(condition -> reason.equals(condition.get("reason")))
                .allSatisfy(condition -> assertThat((String) condition.get("message"))
                        .as("the message of %s", name)
                        .isNotBlank()
                        .doesNotContain("not the password"));
    }

    @Test
    @Order(15)
    void aConversionLivesThroughARestartOfTheRegistry() throws IOException {
        cluster.apply("""
                apiVersion: thaw.dev/v1alpha1
                kind: LazyImage
                metadata: {name: again, namespace: %s}
                spec:
                  image: %s
                  pullSecrets: [{name: pull}]
                  pushSecret: {name: pull}
                  chunkSize: 512Ki
                  compression: lz4
                """.formatted(TESTS, registry.host() + "/team/again:1"));
        Cluster.await(
                "the conversion to move bytes",
                Duration.ofMinutes(2),
                () -> text(cluster.lazyImage(TESTS, "again"), "status", "progress", "bytesDone"),
                done -> !done.isEmpty() && Long.parseLong(done) > 0);
        registry.kill(probe);
        Cluster.await(
                "the LazyImage to be Ready all the same",
                Duration.ofMinutes(5),
                () -> condition(cluster.lazyImage(TESTS, "again"), "Ready"),
                "True"::equals);
        cluster.client()
                .genericKubernetesResources("thaw.dev/v1alpha1", "LazyImage")
                .inNamespace(TESTS)
                .withName("again")
                .delete();
    }

    @Test
    @Order(16)
    void nothingIsLeftWhenTheImageAndItsPodsAreDeleted() {
        cluster.client().apps().deployments().inNamespace(TESTS).withName("app").delete();
        Cluster.await("the pods to go", A_MINUTE, () -> appPod().isEmpty(), gone -> gone);
        cluster.client()
                .genericKubernetesResources("thaw.dev/v1alpha1", "LazyImage")
                .inNamespace(TESTS)
                .withName("app")
                .delete();
        Cluster.await("the LazyImage to go", A_MINUTE, () -> cluster.lazyImage(TESTS, "app") == null, gone -> gone);
        Cluster.await(
                "the Job to go",
                A_MINUTE,
                () -> cluster.client()
                        .batch()
                        .v1()
                        .jobs()
                        .inNamespace(TESTS)
                        .list()
                        .getItems(),
                List::isEmpty);
        removeImages();
        Cluster.await(
                "mounts, snapshots and cache to go",
                Duration.ofMinutes(4), // kubelet keeps the sandboxes of ended pods for a minute or two
                () -> probes.values().stream()
                        .map(one -> one.shell("""
                        grep ' /var/lib/thaw/mounts/' /proc/self/mountinfo || true
                        find /var/lib/thaw/images /var/lib/thaw/mounts -mindepth 1 -maxdepth 1
                        find /var/lib/thaw/cache -type f
                        %s -n k8s.io snapshots --snapshotter thaw ls | grep -E 'Active|View' || true
                        """.formatted(ctr())))
                        .collect(Collectors.joining()),
                String::isBlank);
    }

    /** What kubelet's image garbage collection does in the end, for every image of these tests. */
    private void removeImages() {
        onEachNode("""
                for digest in $(%1$s -n k8s.io images ls | awk -v host=%2$s 'index($1, host) == 1 {print $3}'); do
                  for name in $(%1$s -n k8s.io images ls | awk -v digest="$digest" '$3 == digest {print $1}'); do
                    %1$s -n k8s.io images rm --sync "$name"
                  done
                done
                """.formatted(ctr(), registry.host()));
    }

    private String ctr() {
        return probe.shell("command -v ctr || dirname $(readlink /proc/$(pidof containerd)/exe) | sed 's,$,/ctr,'")
                .strip();
    }

    @Test
    @Order(17)
    void helmUninstallGivesContainerdItsConfigurationBack() {
        Installation.uninstall(surroundings);
        assertThat(containerdConfiguration()).isEqualTo(containerdBefore);
        assertThat(runtimeClass("runc-lazy")).isNull();
        for (var one : cluster.nodes()) {
            assertThat(one.getMetadata().getLabels()).doesNotContainKey("thaw.dev/agent");
            cluster.awaitReady(TESTS, "probe-" + name(one), A_MINUTE);
        }
        cluster.client().namespaces().withName(Installation.NAMESPACE).delete();
    }

    private GenericKubernetesResource runtimeClass(String name) {
        return cluster.client()
                .genericKubernetesResources("node.k8s.io/v1", "RuntimeClass")
                .withName(name)
                .get();
    }

    private String image(String tag) {
        return registry.host() + "/team/app:" + tag;
    }

    private String pod(String name, String annotation, String image, String more) {
        return pod(name, annotation, image, more, node);
    }

    private String pod(String name, String annotation, String image, String more, Node where) {
        return """
                apiVersion: v1
                kind: Pod
                metadata: {name: %1$s, namespace: %2$s, annotations: {%3$s}}
                spec:
                  nodeSelector: {kubernetes.io/hostname: %6$s}
                  terminationGracePeriodSeconds: 0
                  imagePullSecrets: [{name: pull}]
                  containers:
                  - name: app
                    image: %4$s
                    readinessProbe: {httpGet: {path: /, port: 8000}, periodSeconds: 1}%5$s
                """.formatted(name, TESTS, annotation, image, more, hostname(where));
    }

    private void delete(String pod) {
        cluster.client()
                .pods()
                .inNamespace(TESTS)
                .withName(pod)
                .withGracePeriod(0)
                .delete();
    }

    private static String hostname(Node node) {
        return node.getMetadata().getLabels().get("kubernetes.io/hostname");
    }

    private Optional<Pod> appPod() {
        return cluster.pods(TESTS, Map.of("app", "app")).stream()
                .filter(pod -> pod.getMetadata().getDeletionTimestamp() == null)
                .findFirst();
    }

    private String appPodName() {
        return appPod().orElseThrow().getMetadata().getName();
    }

    private Pod agentPod(Node node) {
        return cluster.pods(Installation.NAMESPACE, Map.of("app.kubernetes.io/component", "node-agent")).stream()
                .filter(pod -> pod.getSpec().getNodeName().equals(name(node)))
                .findFirst()
                .orElseThrow();
    }

    /** What the metrics of a node's agent say it fetched, whatever for. */
    private long fetchedBytes(Node node) {
        return cluster.httpGet(
                        Installation.NAMESPACE, agentPod(node).getMetadata().getName(), 9464, "/metrics")
                .lines()
                .filter(line -> line.startsWith("thaw_fetch_bytes_total"))
                .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }

    /** Whole layers of the source that somebody got without a Range, as the registry saw it. */
    private Map<String, Long> layerDownloads() {
        return source.layers().stream()
                .collect(Collectors.toMap(
                        layer -> layer.digest().toString(),
                        layer -> registry.requests("GET", "/blobs/" + layer.digest(), "containerd")));
    }

    private String rootOf(Pod pod) {
        return cluster.exec(
                TESTS,
                pod.getMetadata().getName(),
                "app",
                "python3",
                "-c",
                "print([l.split(' - ')[1] for l in open('/proc/self/mountinfo') if l.split()[4] == '/'][-1])");
    }

    static String condition(GenericKubernetesResource resource, String type) {
        return conditions(resource).stream()
                .filter(condition -> type.equals(condition.get("type")))
                .map(condition -> String.valueOf(condition.get("status")))
                .findFirst()
                .orElse("");
    }

    private static List<Map<String, Object>> conditions(GenericKubernetesResource resource) {
        List<Map<String, Object>> conditions = resource.get("status", "conditions");
        return conditions == null ? List.of() : conditions;
    }

    static String text(GenericKubernetesResource resource, Object... path) {
        Object value = resource.get(path);
        return value == null ? "" : value.toString();
    }

    private static double seconds(String text) {
        return Double.parseDouble(text.endsWith("s") ? text.substring(0, text.length() - 1) : text);
    }

    /** Says what the cluster looked like when a step failed. */
    static final class Diagnosis implements TestWatcher {
        @Override
        public void testFailed(ExtensionContext context, Throwable cause) {
            var test = (LazyStartE2E) context.getRequiredTestInstance();
            System.err.println("--- " + context.getDisplayName() + " at " + Instant.now() + "\n"
                    + test.cluster.diagnosis(TESTS, Installation.NAMESPACE));
        }
    }
}
