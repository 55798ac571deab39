package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.SETTINGS;
import static dev.thaw.operator.rollout.Fixtures.config;
import static dev.thaw.operator.rollout.Fixtures.node;
import static dev.thaw.operator.rollout.Fixtures.report;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.thaw.crds.ConditionType;
import dev.thaw.crds.Names;
import dev.thaw.crds.Reason;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigSpec;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.ServiceBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatusBuilder;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClass;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.javaoperatorsdk.operator.Operator;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.awaitility.core.ThrowingRunnable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Both reconcilers in a real JOSDK loop, against a fake API server; the test is DaemonSet controller and kubelet. */
@EnableKubernetesMockClient(crud = true)
class RolledOutConfigsTest {
    private static final String NAMESPACE = SETTINGS.namespace();

    KubernetesClient client;
    private final FakeReports reports = new FakeReports();
    private Operator operator;

    @BeforeEach
    void start() {
        client.resource(new ServiceBuilder()
                        .withNewMetadata()
                        .withName("thaw-node-service")
                        .withNamespace(NAMESPACE)
                        .endMetadata()
                        .withNewSpec()
                        .withClusterIP("10.96.0.7")
                        .endSpec()
                        .build())
                .createOr(NonDeletingOperation::update);
        client.resource(node("n1", true, Map.of())).createOr(NonDeletingOperation::update);
        operator = new Operator(configuration -> configuration
                .withKubernetesClient(client)
                .withCloseClientOnStop(false)
                .checkingCRDAndValidateLocalModel(false)
                .withUseSSAToPatchPrimaryResource(false));
        Apply createOrReplace = this::createOrReplace;
        operator.register(new SnapshotterConfigReconciler(SETTINGS, reports, createOrReplace, Clock.systemUTC()));
        operator.register(new AgentNodeReconciler(SETTINGS, reports, Clock.systemUTC()));
        operator.start();
    }

    @AfterEach
    void stop() {
        operator.stop();
    }

    @Test
    void bringsAgentsOntoNodesAndLabelsThoseThatReport() {
        create("a", SnapshotterConfigSpec.DEFAULT);

        eventually(() -> {
            assertThat(daemonSet("thaw-agent-a")).isPresent();
            assertThat(daemonSet("thaw-holder-a")).isPresent();
            assertThat(client.configMaps()
                            .inNamespace(NAMESPACE)
                            .withName("thaw-agent-a")
                            .get()
                            .getData()
                            .get("agent.yaml"))
                    .contains("10.96.0.7:9444");
            assertThat(client.resources(RuntimeClass.class)
                            .withName("runc-lazy")
                            .get())
                    .isNotNull();
            assertThat(status("a", ConditionType.READY)).isEqualTo(Reason.AGENTS_NOT_READY);
        });
        assertThat(client.resources(SnapshotterConfig.class).withName("a").get().getFinalizers())
                .containsExactly(Names.SNAPSHOTTER_CONFIG_FINALIZER);

        schedule("thaw-agent-a", 1);
        run("a", Names.AGENT_COMPONENT, "n1");
        reports.put(report("n1", Instant.now()));
        touch("n1");

        eventually(() -> assertThat(
                        client.nodes().withName("n1").get().getMetadata().getLabels())
                .containsEntry("thaw.dev/agent", "ready"));
        touch("n1");
        eventually(() -> {
            assertThat(status("a", ConditionType.READY)).isEqualTo(Reason.AGENTS_READY);
            assertThat(client.resources(SnapshotterConfig.class)
                            .withName("a")
                            .get()
                            .getStatus()
                            .nodes()
                            .ready())
                    .isEqualTo(1);
        });

        client.pods().inNamespace(NAMESPACE).withName("node-agent-n1").delete();
        // the fake API server keeps the key of a label that a merge patch takes away
        eventually(() -> assertThat(
                        client.nodes().withName("n1").get().getMetadata().getLabels())
                .doesNotContainEntry("thaw.dev/agent", "ready"));
    }

    @Test
    void takesContainerdsConfigurationBackBeforeAConfigurationGoes() {
        create("a", SnapshotterConfigSpec.DEFAULT);
        eventually(() -> assertThat(daemonSet("thaw-agent-a")).isPresent());
        schedule("thaw-agent-a", 1);
        run("a", Names.AGENT_COMPONENT, "n1");

        client.resources(SnapshotterConfig.class).withName("a").delete();

        eventually(() -> {
            assertThat(daemonSet("thaw-agent-a")).isEmpty();
            assertThat(status("a", ConditionType.PROGRESSING)).isEqualTo(Reason.REMOVING);
        });
        assertThat(daemonSet("thaw-uninstall-a")).as("not while an agent runs").isEmpty();
        assertThat(daemonSet("thaw-holder-a")).as("mounts are still held").isPresent();

        client.pods().inNamespace(NAMESPACE).withName("node-agent-n1").delete();
        eventually(() -> assertThat(daemonSet("thaw-uninstall-a")).isPresent());
        schedule("thaw-uninstall-a", 1);
        run("a", AgentNames.UNINSTALL_COMPONENT, "n1");

        eventually(() -> {
            assertThat(client.resources(SnapshotterConfig.class).withName("a").get())
                    .isNull();
            assertThat(daemonSet("thaw-uninstall-a")).isEmpty();
            assertThat(daemonSet("thaw-holder-a")).isEmpty();
            assertThat(client.resources(RuntimeClass.class)
                            .withName("runc-lazy")
                            .get())
                    .isNull();
            assertThat(client.v1().events().inNamespace("default").list().getItems())
                    .extracting(event -> event.getReason())
                    .containsExactly("Removed");
        });
    }

    @Test
    void givesContainerdsConfigurationBackOnANodeThatLeaves() {
        label("n1", "pool", "gpu");
        create(
                "a",
                SnapshotterConfigSpec.builder()
                        .nodeSelector(Map.of("pool", "gpu"))
                        .build());
        eventually(() -> assertThat(daemonSet("thaw-agent-a")).isPresent());
        schedule("thaw-agent-a", 1);
        run("a", Names.AGENT_COMPONENT, "n1");
        reports.put(report("n1", Instant.now()));
        eventually(() -> {
            touch("n1");
            assertThat(labels("n1"))
                    .containsEntry(Names.AGENT, Names.AGENT_READY)
                    .containsEntry(Names.AGENT_OF, "a")
                    .containsEntry(Names.INSTALLED, "a");
        });
        assertThat(daemonSet("thaw-leave-a")).isEmpty();

        label("n1", "pool", "other");

        eventually(() -> {
            assertThat(labels("n1"))
                    .doesNotContainEntry(Names.AGENT, Names.AGENT_READY)
                    .doesNotContainEntry(Names.AGENT_OF, "a")
                    .containsEntry(Names.INSTALLED, "a");
            assertThat(daemonSet("thaw-leave-a")).isPresent();
        });
        client.pods().inNamespace(NAMESPACE).withName("node-agent-n1").delete();
        run("a", AgentNames.LEAVE_COMPONENT, "n1");
        eventually(() -> {
            assertThat(labels("n1")).doesNotContainEntry(Names.INSTALLED, "a");
            assertThat(daemonSet("thaw-leave-a")).isEmpty();
        });
    }

    private Map<String, String> labels(String node) {
        return client.nodes().withName(node).get().getMetadata().getLabels();
    }

    private void label(String node, String key, String value) {
        client.nodes().withName(node).edit(found -> {
            found.getMetadata().getLabels().put(key, value);
            return found;
        });
    }

    @Test
    void aConfigurationOfHigherPriorityTakesItsNodesFromTheOthers() {
        create("everywhere", SnapshotterConfigSpec.DEFAULT);
        eventually(() -> assertThat(daemonSet("thaw-agent-everywhere")).isPresent());

        create(
                "gpus",
                SnapshotterConfigSpec.builder()
                        .priority(10)
                        .nodeSelector(Map.of("pool", "gpu"))
                        .build());

        eventually(() -> assertThat(daemonSet("thaw-agent-everywhere")
                        .orElseThrow()
                        .getSpec()
                        .getTemplate()
                        .getSpec()
                        .getAffinity()
                        .toString())
                .contains("NotIn"));
    }

    private void create(String name, SnapshotterConfigSpec spec) {
        var config = config(name, spec);
        config.getMetadata().setUid(null);
        client.resource(config).create();
    }

    private void createOrReplace(HasMetadata desired) {
        var found = client.resource(desired).get();
        if (found == null) {
            client.resource(desired).create();
            return;
        }
        desired.getMetadata().setResourceVersion(null);
        if (found instanceof DaemonSet old && desired instanceof DaemonSet next) {
            next.setStatus(old.getStatus());
            if (old.getSpec().equals(next.getSpec())) {
                return;
            }
        }
        if (!(found instanceof RuntimeClass) && !(found instanceof ConfigMap)) {
            client.resource(desired).update();
        }
    }

    /** As the DaemonSet controller does. */
    private void schedule(String name, int nodes) {
        client.apps().daemonSets().inNamespace(NAMESPACE).withName(name).editStatus(set -> {
            set.setStatus(new DaemonSetStatusBuilder()
                    .withObservedGeneration(100L)
                    .withDesiredNumberScheduled(nodes)
                    .withUpdatedNumberScheduled(nodes)
                    .build());
            return set;
        });
    }

    private void run(String config, String component, String node) {
        client.resource(Fixtures.pod(config, component, node, true, true)).create();
    }

    private void touch(String node) {
        client.pods().inNamespace(NAMESPACE).withName("node-agent-" + node).edit(this::touched);
    }

    private Pod touched(Pod pod) {
        return new PodBuilder(pod)
                .editMetadata()
                .addToAnnotations("touched", Instant.now().toString())
                .endMetadata()
                .build();
    }

    private Optional<DaemonSet> daemonSet(String name) {
        return Optional.ofNullable(
                client.apps().daemonSets().inNamespace(NAMESPACE).withName(name).get());
    }

    private Reason status(String name, ConditionType type) {
        return Optional.ofNullable(
                        client.resources(SnapshotterConfig.class).withName(name).get())
                .flatMap(config -> Optional.ofNullable(config.getStatus()))
                .flatMap(status -> status.condition(type))
                .map(condition -> condition.reason())
                .orElse(Reason.UNKNOWN);
    }

    private static void eventually(ThrowingRunnable assertion) {
        await().atMost(Duration.ofSeconds(20)).untilAsserted(assertion);
    }
}
