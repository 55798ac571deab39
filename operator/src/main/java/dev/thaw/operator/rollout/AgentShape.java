package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import dev.thaw.crds.SnapshotterConfig;
import dev.thaw.crds.SnapshotterConfigSpec;
import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.ContainerPortBuilder;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.LocalObjectReference;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.PodSpecBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.ResourceRequirementsBuilder;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSetUpdateStrategy;
import io.fabric8.kubernetes.api.model.apps.DaemonSetUpdateStrategyBuilder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The objects that bring an agent onto nodes. Pure: a configuration in, Kubernetes objects out.
 *
 * <pre>
 *  thaw-agent-x      serves; its init container tells containerd of the snapshotter
 *  thaw-holder-x     keeps the descriptors of mounts while an agent is replaced; itself replaced only by hand (OnDelete)
 *  thaw-uninstall-x  while x is being deleted: gives containerd's configuration back
 *  thaw-leave-x      does the same on nodes that x no longer names
 * </pre>
 *
 * <p>Agent and holder also stay on nodes with the label {@link Names#AGENT_OF}, which {@link AgentNodeReconciler} takes away:
 * a node whose labels change must not lose them below its running containers.
 */
final class AgentShape {
    private static final long TOKEN_SECONDS = 3600;
    /** The holder does next to nothing: what a cache and a second compiler take of memory is never earned back. */
    private static final String HOLDER_OPTIONS = "-XX:AOTMode=off -XX:TieredStopAtLevel=1";

    private static final String ROOT = "root";
    private static final String BIDIRECTIONAL = "Bidirectional";
    private static final String HOST_TO_CONTAINER = "HostToContainer";

    private final SnapshotterConfig config;
    private final SnapshotterConfigSpec spec;
    private final AgentNames names;
    private final Placement placement;
    private final RolloutSettings settings;
    private final String file;

    /** @param nodeService host:port that agents dial */
    AgentShape(SnapshotterConfig config, Placement placement, String nodeService, RolloutSettings settings) {
        this.config = config;
        this.spec = config.getSpec();
        this.names = AgentNames.of(config);
        this.placement = placement;
        this.settings = settings;
        this.file = AgentFile.of(spec, settings.registries(), nodeService, settings.nodeServiceHost());
    }

    ConfigMap configuration() {
        return new ConfigMapBuilder()
                .withMetadata(metadata(names.agent(), Names.AGENT_COMPONENT, true))
                .withData(Map.of(AgentFile.NAME, file))
                .build();
    }

    DaemonSet agent() {
        var mounts = new Mounts();
        var serve = container("agent", List.of("serve", "--config", configPath()), mounts.mounts())
                .withPorts(new ContainerPortBuilder()
                        .withName("http")
                        .withContainerPort(AgentFile.HTTP_PORT)
                        // said aloud, so that the scheduler never puts two agents on a node
                        .withHostPort(AgentFile.HTTP_PORT)
                        .withProtocol("TCP")
                        .build())
                .withNewReadinessProbe()
                .withNewHttpGet()
                .withPath("/readyz")
                .withNewPort("http")
                .endHttpGet()
                .withPeriodSeconds(5)
                .withTimeoutSeconds(5)
                .withFailureThreshold(3)
                .endReadinessProbe()
                .withNewStartupProbe()
                .withNewHttpGet()
                .withPath("/healthz")
                .withNewPort("http")
                .endHttpGet()
                .withPeriodSeconds(2)
                .withTimeoutSeconds(5)
                // mounts are restored first, and on a busy node even a JVM's start takes its time
                .withFailureThreshold(150)
                .endStartupProbe()
                .withNewLivenessProbe()
                .withNewHttpGet()
                .withPath("/healthz")
                .withNewPort("http")
                .endHttpGet()
                .withPeriodSeconds(10)
                .withTimeoutSeconds(10)
                // a node that is short of processor time must not lose its agent for it
                .withFailureThreshold(6)
                .endLivenessProbe()
                .withResources(spec.resources() == null ? agentResources() : spec.resources())
                .build();
        return daemonSet(names.agent(), Names.AGENT_COMPONENT, true)
                .editSpec()
                .withUpdateStrategy(rolling())
                .editTemplate()
                .editMetadata()
                .addToAnnotations(AgentNames.CONFIGURATION_HASH, AgentNames.sha256(file))
                .endMetadata()
                .withSpec(privileged(mounts)
                        .addToInitContainers(
                                container("install", List.of("install", "--config", configPath()), mounts.mounts())
                                        .build())
                        .addToContainers(serve)
                        .build())
                .endTemplate()
                .endSpec()
                .build();
    }

    DaemonSet holder() {
        var sockets = hostPath("sockets", AgentFile.SOCKETS, "DirectoryOrCreate");
        var temporary = new VolumeBuilder()
                .withName("tmp")
                .withNewEmptyDir()
                .endEmptyDir()
                .build();
        // Receiving a descriptor needs no capability, only a label that SELinux lets take one from the agent.
        var hold = new ContainerBuilder()
                .withName("holder")
                .withImage(image())
                .withImagePullPolicy(settings.imagePullPolicy())
                .withArgs("hold", "--socket", AgentFile.SOCKETS + "/holder.sock")
                .withEnv(new EnvVar("JDK_JAVA_OPTIONS", HOLDER_OPTIONS, null))
                .withVolumeMounts(
                        mount("sockets", AgentFile.SOCKETS, null).build(),
                        mount("tmp", "/tmp", null).build())
                .withResources(resources("5m", "64Mi", "128Mi"))
                .withTerminationMessagePolicy("FallbackToLogsOnError")
                .withNewSecurityContext()
                .withRunAsUser(0L)
                .withAllowPrivilegeEscalation(false)
                .withReadOnlyRootFilesystem(true)
                .withNewCapabilities()
                .withDrop("ALL")
                .endCapabilities()
                .withNewSeLinuxOptions()
                .withType("spc_t")
                .endSeLinuxOptions()
                .endSecurityContext()
                .build();
        return daemonSet(names.holder(), AgentNames.HOLDER_COMPONENT, true)
                .editSpec()
                .withUpdateStrategy(new DaemonSetUpdateStrategyBuilder()
                        .withType("OnDelete")
                        .build())
                .editTemplate()
                .withSpec(pod().addToVolumes(sockets, temporary)
                        .addToContainers(hold)
                        .build())
                .endTemplate()
                .endSpec()
                .build();
    }

    /** Has no owner: it must outlive a deletion that takes dependents first. */
    DaemonSet uninstall() {
        return uninstaller(
                names.uninstall(),
                AgentNames.UNINSTALL_COMPONENT,
                false,
                placement.orLabelled(Names.INSTALLED, names.label()),
                Map.of());
    }

    /** For nodes on which containerd was told of the snapshotter and no agent belongs any more. */
    DaemonSet leave() {
        return uninstaller(
                names.leave(),
                AgentNames.LEAVE_COMPONENT,
                true,
                Placement.unlabelled(Names.AGENT_OF),
                Map.of(Names.INSTALLED, names.label()));
    }

    private DaemonSet uninstaller(
            String name, String component, boolean owned, Affinity affinity, Map<String, String> nodes) {
        var mounts = new Mounts();
        return daemonSet(name, component, owned)
                .editSpec()
                .withUpdateStrategy(rolling())
                .editTemplate()
                .withSpec(privileged(mounts)
                        .withAffinity(affinity)
                        .withNodeSelector(nodes)
                        .addToInitContainers(
                                container("uninstall", List.of("uninstall", "--config", configPath()), mounts.mounts())
                                        .build())
                        .addToContainers(container("wait", List.of("wait"), List.of())
                                .withResources(resources("5m", "64Mi", "128Mi"))
                                .build())
                        .build())
                .endTemplate()
                .endSpec()
                .build();
    }

    private DaemonSetBuilder daemonSet(String name, String component, boolean owned) {
        return new DaemonSetBuilder()
                .withMetadata(metadata(name, component, owned))
                .withNewSpec()
                .withNewSelector()
                .withMatchLabels(names.selector(component))
                .endSelector()
                .withNewTemplate()
                .withNewMetadata()
                .withLabels(names.labels(component))
                .addToAnnotations(Names.SNAPSHOTTER_CONFIG_LABEL, names.config())
                .endMetadata()
                .endTemplate()
                .endSpec();
    }

    private PodSpecBuilder pod() {
        return new PodSpecBuilder()
                .withServiceAccountName(settings.serviceAccount())
                .withAutomountServiceAccountToken(false)
                .withEnableServiceLinks(false)
                // independent of the pod network, and no address of a node's range is spent
                .withHostNetwork(true)
                .withDnsPolicy("ClusterFirstWithHostNet")
                .withPriorityClassName("system-node-critical")
                .withAffinity(placement.orLabelled(Names.AGENT_OF, names.label()))
                .withTolerations(spec.tolerations())
                .withTerminationGracePeriodSeconds(30L)
                .withImagePullSecrets(settings.imagePullSecrets().stream()
                        .map(LocalObjectReference::new)
                        .toList());
    }

    private PodSpecBuilder privileged(Mounts mounts) {
        return pod().withHostPID(true).withVolumes(mounts.volumes());
    }

    private ContainerBuilder container(String name, List<String> args, List<VolumeMount> mounts) {
        return new ContainerBuilder()
                .withName(name)
                .withImage(image())
                .withImagePullPolicy(settings.imagePullPolicy())
                .withArgs(args)
                .addNewEnv()
                .withName("NODE_NAME")
                .withNewValueFrom()
                .withNewFieldRef()
                .withFieldPath("spec.nodeName")
                .endFieldRef()
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName("NODE_IP")
                .withNewValueFrom()
                .withNewFieldRef()
                .withFieldPath("status.hostIP")
                .endFieldRef()
                .endValueFrom()
                .endEnv()
                .withVolumeMounts(mounts)
                .withTerminationMessagePolicy("FallbackToLogsOnError")
                .withNewSecurityContext()
                .withPrivileged(!mounts.isEmpty())
                .withRunAsUser(0L)
                .endSecurityContext();
    }

    private String image() {
        return spec.image() == null ? settings.agentImage() : spec.image();
    }

    private static String configPath() {
        return AgentFile.FOLDER + "/" + AgentFile.NAME;
    }

    private DaemonSetUpdateStrategy rolling() {
        return new DaemonSetUpdateStrategyBuilder()
                .withType("RollingUpdate")
                .withNewRollingUpdate()
                .withMaxUnavailable(spec.updateStrategy().maxUnavailable())
                .endRollingUpdate()
                .build();
    }

    private ObjectMeta metadata(String name, String component, boolean owned) {
        return new ObjectMetaBuilder()
                .withName(name)
                .withNamespace(settings.namespace())
                .withLabels(names.labels(component))
                .addToAnnotations(Names.SNAPSHOTTER_CONFIG_LABEL, names.config())
                .withOwnerReferences(owned ? List.of(owner(config)) : List.of())
                .build();
    }

    /** Not a controller: DaemonSets are controlled by nobody, RuntimeClasses may have several owners. */
    static OwnerReference owner(SnapshotterConfig config) {
        return new OwnerReferenceBuilder()
                .withApiVersion(config.getApiVersion())
                .withKind(config.getKind())
                .withName(config.getMetadata().getName())
                .withUid(config.getMetadata().getUid())
                .build();
    }

    private static ResourceRequirements agentResources() {
        return resources("100m", "256Mi", "512Mi");
    }

    private static ResourceRequirements resources(String processor, String memory, String memoryLimit) {
        return new ResourceRequirementsBuilder()
                .addToRequests("cpu", new Quantity(processor))
                .addToRequests("memory", new Quantity(memory))
                .addToLimits("memory", new Quantity(memoryLimit))
                .build();
    }

    private static Volume hostPath(String name, String path, String type) {
        return new VolumeBuilder()
                .withName(name)
                .withNewHostPath()
                .withPath(path)
                .withType(type)
                .endHostPath()
                .build();
    }

    private static VolumeMountBuilder mount(String volume, String path, @Nullable String propagation) {
        return new VolumeMountBuilder().withName(volume).withMountPath(path).withMountPropagation(propagation);
    }

    /** The agent's view of its node: each folder at the path that it has on the node. */
    private final class Mounts {
        private final Map<String, Volume> volumes = new LinkedHashMap<>();
        private final Map<String, VolumeMount> mounts = new LinkedHashMap<>();

        Mounts() {
            // images that the agent mounts here must be seen by containerd
            add(ROOT, spec.cache().path(), "DirectoryOrCreate", BIDIRECTIONAL, false);
            add("sockets", AgentFile.SOCKETS, "DirectoryOrCreate", null, false);
            add("containerd", parent(spec.containerd().socket()), "Directory", HOST_TO_CONTAINER, false);
            add("containerd-config", parent(spec.containerd().configPath()), "DirectoryOrCreate", null, false);
            // follows the node, lest a folder full of pods' mounts keeps them busy
            int number = 0;
            for (var path : AgentFile.dockerConfigs(spec)) {
                add("docker-config-" + number++, parent(path), "", HOST_TO_CONTAINER, true);
            }
            put(
                    new VolumeBuilder()
                            .withName("config")
                            .withNewProjected()
                            .addNewSource()
                            .withNewConfigMap()
                            .withName(names.agent())
                            .addNewItem()
                            .withKey(AgentFile.NAME)
                            .withPath(AgentFile.NAME)
                            .endItem()
                            .endConfigMap()
                            .endSource()
                            .addNewSource()
                            .withNewConfigMap()
                            .withName(settings.authorities())
                            .addNewItem()
                            .withKey("ca.crt")
                            .withPath(AgentFile.AUTHORITIES)
                            .endItem()
                            .endConfigMap()
                            .endSource()
                            .endProjected()
                            .build(),
                    mount("config", AgentFile.FOLDER, null).withReadOnly(true).build());
            put(
                    new VolumeBuilder()
                            .withName("token")
                            .withNewProjected()
                            .addNewSource()
                            .withNewServiceAccountToken()
                            .withAudience(settings.audience())
                            .withExpirationSeconds(TOKEN_SECONDS)
                            .withPath(AgentFile.TOKEN)
                            .endServiceAccountToken()
                            .endSource()
                            .endProjected()
                            .build(),
                    mount("token", AgentFile.TOKEN_FOLDER, null)
                            .withReadOnly(true)
                            .build());
        }

        private void add(String name, String path, String type, @Nullable String propagation, boolean readOnly) {
            // two settings may name one folder; the first has the wider rights
            if (!mounts.containsKey(path)) {
                put(
                        hostPath(name, path, type),
                        mount(name, path, propagation)
                                .withReadOnly(readOnly ? Boolean.TRUE : null)
                                .build());
            }
        }

        private void put(Volume volume, VolumeMount mount) {
            volumes.put(volume.getName(), volume);
            mounts.put(mount.getMountPath(), mount);
        }

        List<Volume> volumes() {
            return new ArrayList<>(volumes.values());
        }

        List<VolumeMount> mounts() {
            return new ArrayList<>(mounts.values());
        }
    }

    private static String parent(String path) {
        int slash = path.lastIndexOf('/');
        return slash <= 0 ? "/" : path.substring(0, slash);
    }
}
