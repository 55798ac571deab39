package dev.thaw.operator.rollout;

import static dev.thaw.operator.rollout.Fixtures.SETTINGS;
import static dev.thaw.operator.rollout.Fixtures.config;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.CredentialType;
import dev.thaw.crds.DriverChoice;
import dev.thaw.crds.Names;
import dev.thaw.crds.OnFailure;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigSpec;
import dev.thaw.crds.SnapshotterConfigSpec.Cache;
import dev.thaw.crds.SnapshotterConfigSpec.Containerd;
import dev.thaw.crds.SnapshotterConfigSpec.Credential;
import dev.thaw.crds.SnapshotterConfigSpec.CredentialProvider;
import dev.thaw.crds.SnapshotterConfigSpec.DockerConfig;
import dev.thaw.crds.SnapshotterConfigSpec.Endpoint;
import dev.thaw.crds.SnapshotterConfigSpec.Fetch;
import dev.thaw.crds.SnapshotterConfigSpec.Mirror;
import dev.thaw.crds.SnapshotterConfigSpec.UpdateStrategy;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class AgentShapeTest {
    @Test
    void writesTheAgentsFileWithTheKeysThatTheAgentReads() {
        var spec = SnapshotterConfigSpec.builder()
                .driver(DriverChoice.FUSE)
                .cache(new Cache("/data/thaw", "20Gi", 95, 50, "3Gi"))
                .fetch(new Fetch(8, "2Mi", "1.5s", 3, "1m30s", OnFailure.ERROR, "100Mi"))
                .mirrors(List.of(new Mirror(
                        "docker.io",
                        List.of(
                                new Endpoint("https://mirror.example", null, null, null),
                                new Endpoint("http://$(NODE_IP):4001", Map.of("X-Key", "value"), "/healthz", "1m")),
                        false)))
                .credentials(List.of(
                        Credential.DEFAULT,
                        new Credential(
                                CredentialType.CREDENTIAL_PROVIDER,
                                new CredentialProvider("/etc/kubernetes/providers.yaml", "/opt/plugins"),
                                null),
                        new Credential(
                                CredentialType.DOCKER_CONFIG, null, new DockerConfig("/var/lib/kubelet/config.json"))))
                .build();

        var map = shape(config("a", spec)).configuration();

        assertThat(map.getMetadata().getName()).isEqualTo("thaw-agent-a");
        assertThat((Object) Serialization.unmarshal(map.getData().get("agent.yaml"), Map.class))
                .isEqualTo(Serialization.unmarshal("""
                        root: /data/thaw
                        socket: /run/thaw/agent.sock
                        holder: /run/thaw/holder.sock
                        http: {address: 0.0.0.0, port: 9464}
                        driver: Fuse
                        containerd:
                          socket: /run/containerd/containerd.sock
                          configPath: /etc/containerd/config.toml
                          install: DropIn
                          restart: Systemd
                          runtimeHandlers: [runc]
                        cache: {path: /data/thaw/cache, maxSize: 20Gi, highWatermark: 0.95, lowWatermark: 0.5, minFree: 3Gi}
                        fetch:
                          parallelism: 8
                          rangeSize: 2Mi
                          timeout: 1500ms
                          retries: 3
                          readTimeout: 90000ms
                          onFailure: Error
                          bandwidth: "104857600"
                        mirrors:
                          - host: docker.io
                            fallback: false
                            endpoints:
                              - {url: "https://mirror.example", headers: {}, healthPath: /v2/, healthInterval: 30000ms}
                              - {url: "http://$(NODE_IP):4001", headers: {X-Key: value}, healthPath: /healthz, healthInterval: 60000ms}
                        registries: [{host: "registry.local:5000", plainHttp: true}]
                        nodeService:
                          address: 10.96.0.7:9444
                          serverName: thaw-node-service.thaw-system.svc
                          caFile: /etc/thaw/ca/ca.crt
                          tokenFile: /var/run/secrets/thaw/token
                        credentials:
                          - {type: LazyImageSecrets}
                          - {type: CredentialProvider, config: /etc/kubernetes/providers.yaml, binDir: /opt/plugins}
                          - {type: DockerConfig, path: /var/lib/kubelet/config.json}
                        """, Map.class));
    }

    @Test
    void theAgentSeesItsNodeAtTheNodesOwnPaths() {
        var spec = SnapshotterConfigSpec.builder()
                .cache(new Cache("/data/thaw", null, null, null, null))
                .containerd(new Containerd(
                        "/run/k3s/containerd/containerd.sock",
                        "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
                        null,
                        null,
                        null))
                .build();

        var agent = shape(config("a", spec)).agent();
        var pod = agent.getSpec().getTemplate().getSpec();

        assertThat(pod.getHostPID()).isTrue();
        assertThat(pod.getHostNetwork()).isTrue();
        assertThat(pod.getDnsPolicy()).isEqualTo("ClusterFirstWithHostNet");
        assertThat(pod.getPriorityClassName()).isEqualTo("system-node-critical");
        assertThat(pod.getAutomountServiceAccountToken()).isFalse();
        for (var container :
                List.of(pod.getInitContainers().getFirst(), pod.getContainers().getFirst())) {
            assertThat(container.getSecurityContext().getPrivileged()).isTrue();
            assertThat(container.getCommand()).isEmpty();
            assertThat(propagation(container, "/data/thaw")).isEqualTo("Bidirectional");
            assertThat(propagation(container, "/run/k3s/containerd")).isEqualTo("HostToContainer");
            assertThat(container.getVolumeMounts())
                    .extracting(VolumeMount::getMountPath)
                    .contains("/run/thaw", "/var/lib/rancher/k3s/agent/etc/containerd", "/etc/thaw");
        }
        assertThat(pod.getVolumes())
                .filteredOn(volume -> volume.getHostPath() != null)
                .allSatisfy(volume -> assertThat(pod.getContainers().getFirst().getVolumeMounts())
                        .filteredOn(mount -> mount.getName().equals(volume.getName()))
                        .extracting(VolumeMount::getMountPath)
                        .containsExactly(volume.getHostPath().getPath()));
        assertThat(pod.getInitContainers().getFirst().getArgs())
                .containsExactly("install", "--config", "/etc/thaw/agent.yaml");
        assertThat(pod.getContainers().getFirst().getArgs())
                .containsExactly("serve", "--config", "/etc/thaw/agent.yaml");
    }

    @Test
    void theTokenIsForTheNodeServiceOnly() {
        var pod = shape(config("a", SnapshotterConfigSpec.DEFAULT))
                .agent()
                .getSpec()
                .getTemplate()
                .getSpec();

        var token = volume(pod.getVolumes(), "token").getProjected().getSources();
        assertThat(token).hasSize(1);
        assertThat(token.getFirst().getServiceAccountToken().getAudience()).isEqualTo("thaw.dev");
        assertThat(token.getFirst().getServiceAccountToken().getExpirationSeconds())
                .isEqualTo(3600);
        assertThat(volume(pod.getVolumes(), "config").getProjected().getSources())
                .extracting(source -> source.getConfigMap().getName())
                .containsExactly("thaw-agent-a", "thaw-node-ca");
    }

    @Test
    void aChangeOfTheConfigurationRollsOutAndNothingElseDoes() {
        var one = shape(config("a", SnapshotterConfigSpec.DEFAULT)).agent();
        var same = shape(config("a", SnapshotterConfigSpec.builder().build())).agent();
        var other = shape(config(
                        "a",
                        SnapshotterConfigSpec.builder()
                                .driver(DriverChoice.FUSE)
                                .build()))
                .agent();

        assertThat(same).isEqualTo(one);
        assertThat(hash(other)).isNotEqualTo(hash(one));
    }

    @Test
    void theSpecSaysWhereAndHowAgentsRun() {
        var spec = SnapshotterConfigSpec.builder()
                .nodeSelector(Map.of("pool", "gpu"))
                .tolerations(List.of(new Toleration("NoSchedule", "gpu", "Exists", null, null)))
                .image("other.example/agent:2")
                .updateStrategy(new UpdateStrategy(new IntOrString(3)))
                .build();

        var agent = shape(config("a", spec)).agent();

        assertThat(agent.getSpec().getUpdateStrategy().getRollingUpdate().getMaxUnavailable())
                .isEqualTo(new IntOrString(3));
        var pod = agent.getSpec().getTemplate().getSpec();
        assertThat(pod.getAffinity().toString()).contains("pool", "gpu");
        assertThat(pod.getTolerations()).hasSize(1);
        assertThat(pod.getContainers().getFirst().getImage()).isEqualTo("other.example/agent:2");
        assertThat(pod.getImagePullSecrets())
                .extracting(secret -> secret.getName())
                .containsExactly("pull");
    }

    @Test
    void anAgentMayTakeFiveMinutesToStartBeforeItsLifeIsDoubted() {
        var container = shape(config("a", SnapshotterConfigSpec.builder().build()))
                .agent()
                .getSpec()
                .getTemplate()
                .getSpec()
                .getContainers()
                .getFirst();

        var start = container.getStartupProbe();
        assertThat(start.getPeriodSeconds() * start.getFailureThreshold()).isEqualTo(300);
        assertThat(start.getHttpGet()).isEqualTo(container.getLivenessProbe().getHttpGet());
    }

    @Test
    void theHolderIsReplacedByHandOnlyAndHasNoRights() {
        var holder = shape(config("a", SnapshotterConfigSpec.DEFAULT)).holder();

        assertThat(holder.getMetadata().getName()).isEqualTo("thaw-holder-a");
        assertThat(holder.getSpec().getUpdateStrategy().getType()).isEqualTo("OnDelete");
        var container = holder.getSpec().getTemplate().getSpec().getContainers().getFirst();
        assertThat(container.getArgs()).containsExactly("hold", "--socket", "/run/thaw/holder.sock");
        assertThat(container.getEnv())
                .containsExactly(new EnvVar("JDK_JAVA_OPTIONS", "-XX:AOTMode=off -XX:TieredStopAtLevel=1", null));
        assertThat(container.getSecurityContext().getPrivileged()).isNull();
        assertThat(container.getSecurityContext().getCapabilities().getDrop()).containsExactly("ALL");
        assertThat(holder.getSpec().getTemplate().getMetadata().getAnnotations())
                .doesNotContainKey(AgentNames.CONFIGURATION_HASH);
    }

    @Test
    void theUninstallerRunsWhereTheAgentRanAndOutlivesItsConfiguration() {
        var everywhere = config("a", SnapshotterConfigSpec.DEFAULT);
        var shape = shape(everywhere);

        var uninstall = shape.uninstall();

        assertThat(uninstall.getMetadata().getOwnerReferences()).isEmpty();
        assertThat(shape.agent().getMetadata().getOwnerReferences()).hasSize(1);
        var pod = uninstall.getSpec().getTemplate().getSpec();
        var agent = shape.agent().getSpec().getTemplate().getSpec();
        assertThat(pod.getAffinity().toString())
                .isEqualTo(agent.getAffinity().toString().replace(Names.AGENT_OF, Names.INSTALLED));
        assertThat(pod.getVolumes()).isEqualTo(agent.getVolumes());
        assertThat(pod.getInitContainers().getFirst().getArgs())
                .containsExactly("uninstall", "--config", "/etc/thaw/agent.yaml");
        assertThat(pod.getContainers().getFirst().getArgs()).containsExactly("wait");
        assertThat(pod.getContainers().getFirst().getSecurityContext().getPrivileged())
                .isFalse();
    }

    @Test
    void agentAndHolderStayOnLabelledNodesAndTheLeaverOnThoseWithoutThem() {
        var shape = shape(config("a", SnapshotterConfigSpec.DEFAULT));

        for (var staying : List.of(shape.agent(), shape.holder())) {
            assertThat(staying.getSpec().getTemplate().getSpec().getAffinity().toString())
                    .contains("key=" + Names.AGENT_OF + ", operator=In, values=[a]");
        }
        var leave = shape.leave();
        assertThat(leave.getMetadata().getName()).isEqualTo("thaw-leave-a");
        var pod = leave.getSpec().getTemplate().getSpec();
        assertThat(pod.getNodeSelector()).isEqualTo(Map.of(Names.INSTALLED, "a"));
        assertThat(pod.getAffinity().toString()).contains("key=" + Names.AGENT_OF + ", operator=DoesNotExist");
        assertThat(pod.getInitContainers().getFirst().getArgs())
                .containsExactly("uninstall", "--config", "/etc/thaw/agent.yaml");
    }

    @Test
    void aLongNameStillFitsALabel() {
        var name = "x".repeat(200);
        var agent = shape(config(name, SnapshotterConfigSpec.DEFAULT)).agent();

        assertThat(agent.getMetadata().getName()).hasSizeLessThanOrEqualTo(63);
        assertThat(agent.getSpec().getTemplate().getMetadata().getLabels().values())
                .allSatisfy(value -> assertThat(value).hasSizeLessThanOrEqualTo(63));
        assertThat(PodFacts.config(agent)).contains(name);
    }

    @Test
    void configurationsShareARuntimeClassAndOwnItTogether() {
        var one = config("one", SnapshotterConfigSpec.DEFAULT);
        var both = config(
                "both",
                SnapshotterConfigSpec.builder()
                        .containerd(new Containerd(null, null, null, null, List.of("runc", "nvidia")))
                        .build());

        var classes = RuntimeClassShape.of(List.of(one, both));

        assertThat(classes).containsOnlyKeys("nvidia-lazy", "runc-lazy");
        assertThat(classes.get("runc-lazy").getHandler()).isEqualTo("runc-lazy");
        assertThat(classes.get("runc-lazy").getScheduling()).isNull();
        assertThat(classes.get("runc-lazy").getMetadata().getOwnerReferences())
                .extracting(owner -> owner.getName())
                .containsExactly("both", "one");
        assertThat(classes.get("nvidia-lazy").getMetadata().getOwnerReferences())
                .hasSize(1);
    }

    private static AgentShape shape(SnapshotterConfig config) {
        return new AgentShape(config, Placement.of(config, List.of(config)), "10.96.0.7:9444", SETTINGS);
    }

    private static String hash(DaemonSet set) {
        return set.getSpec().getTemplate().getMetadata().getAnnotations().get(AgentNames.CONFIGURATION_HASH);
    }

    private static String propagation(Container container, String path) {
        return container.getVolumeMounts().stream()
                .filter(mount -> mount.getMountPath().equals(path))
                .findFirst()
                .orElseThrow()
                .getMountPropagation();
    }

    private static Volume volume(List<Volume> volumes, String name) {
        return volumes.stream()
                .filter(volume -> volume.getName().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
