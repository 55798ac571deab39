package dev.thaw.operator.conversion;

import dev.thaw.crds.Durations;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.ResourceRequirementsBuilder;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The Job that converts one image. Its name is the request's id and the number of the try, so the same work is never
 * done twice at a time, by however many LazyImages of a namespace it is wanted.
 *
 * <p>The Job itself never starts a second pod for a failure: whether another try makes sense depends on the reason, which
 * the operator reads and the Job controller cannot. A pod that was evicted or drained is replaced, and is no try.
 */
public final class JobShape {
    /** Label: {@link ConversionRequest#id}. */
    public static final String CONVERSION_LABEL = "thaw.dev/conversion";

    /** Annotation: number of the try, from 1. */
    public static final String ATTEMPT = "thaw.dev/attempt";

    /** Annotation: what a person can change to make another try worth while, see {@link #mark}. */
    public static final String MARK = "thaw.dev/tried-with";

    /** Name of the only container. */
    public static final String CONTAINER = "converter";

    /** Label selector of all conversion Jobs and of their pods. */
    public static final String SELECTOR = Names.COMPONENT_LABEL + "=" + Names.CONVERTER_COMPONENT;

    private static final long USER = 65532L;
    private static final int SECRET_FILE_MODE = 0440;
    private static final String WORK = "/work";
    private static final String PULL = "/etc/thaw/pull";
    private static final String PUSH = "/etc/thaw/push";
    private static final String SECRET_KEY = ".dockerconfigjson";
    private static final String SECRET_FILE = "config.json";
    private static final String CERTIFICATES = "THAW_CA_CERTIFICATES";
    private static final String TERMINATION_LOG = "/dev/termination-log";

    /** The converter's native libraries unpack there: the root file system is read-only. */
    private static final String TMP_SIZE = "256Mi";

    private JobShape() {}

    /**
     * The Job of one try.
     *
     * @param owner the LazyImage that wants it; the Job lives in its namespace and goes with it
     * @param attempt number of the try, from 1
     * @param mark see {@link #mark}
     */
    public static Job of(
            ConversionRequest request, LazyImage owner, int attempt, String mark, ConverterSettings settings) {
        var spec = owner.getSpec();
        var converter = spec.converter();
        var resources = resources(converter, settings);
        var labels = labels(request, owner);
        // @formatter:off
        return new JobBuilder()
                .withNewMetadata()
                .withName(name(request, attempt))
                .withNamespace(owner.getMetadata().getNamespace())
                .withLabels(labels)
                .addToAnnotations(ATTEMPT, Integer.toString(attempt))
                .addToAnnotations(MARK, mark)
                .withOwnerReferences(ownerReference(owner, true))
                .endMetadata()
                .withNewSpec()
                .withBackoffLimit(0)
                .withActiveDeadlineSeconds(seconds(converter.deadline()))
                .withNewPodFailurePolicy()
                .addNewRule()
                .withAction("Ignore")
                .addNewOnPodCondition()
                .withType("DisruptionTarget")
                .withStatus("True")
                .endOnPodCondition()
                .endRule()
                .endPodFailurePolicy()
                .withNewTemplate()
                .withNewMetadata()
                .withLabels(labels)
                .endMetadata()
                .withNewSpec()
                .withRestartPolicy("Never")
                .withAutomountServiceAccountToken(false)
                .withEnableServiceLinks(false)
                .withNodeSelector(converter.nodeSelector())
                .withTolerations(converter.tolerations())
                .withNewSecurityContext()
                .withRunAsNonRoot(true)
                .withRunAsUser(USER)
                .withRunAsGroup(USER)
                .withFsGroup(USER)
                .withNewSeccompProfile()
                .withType("RuntimeDefault")
                .endSeccompProfile()
                .endSecurityContext()
                .addNewContainer()
                .withName(CONTAINER)
                .withImage(settings.image())
                .withImagePullPolicy(settings.imagePullPolicy())
                .withArgs(arguments(request, spec, settings))
                .withEnv(environment(settings))
                .withResources(resources)
                .withTerminationMessagePath(TERMINATION_LOG)
                .withTerminationMessagePolicy("File")
                .withNewSecurityContext()
                .withAllowPrivilegeEscalation(false)
                .withReadOnlyRootFilesystem(true)
                .withNewCapabilities()
                .withDrop("ALL")
                .endCapabilities()
                .endSecurityContext()
                .withVolumeMounts(mounts(spec))
                .endContainer()
                .withVolumes(volumes(spec, workSize(resources, settings)))
                .endSpec()
                .endTemplate()
                .endSpec()
                .build();
        // @formatter:on
    }

    /** Name of the Job of one try. */
    public static String name(ConversionRequest request, int attempt) {
        var first = "thaw-convert-" + request.id();
        return attempt == 1 ? first : first + "-" + attempt;
    }

    /**
     * What a try was made with, besides the request: a failure that does not pass by itself is tried again when this
     * changes.
     *
     * @param generation of the LazyImage, so that more memory or a longer deadline count
     * @param secrets versions of the Secrets that it names
     */
    public static String mark(long generation, String secrets) {
        return generation + "/" + secrets;
    }

    /** The number of the try that a Job is. */
    public static int attempt(Job job) {
        var written = annotation(job, ATTEMPT);
        try {
            return Integer.parseInt(written);
        } catch (NumberFormatException e) {
            return 1; // someone has edited the annotation
        }
    }

    /** What the Job's try was made with. */
    public static String mark(Job job) {
        return annotation(job, MARK);
    }

    /**
     * A reference to one of the LazyImages that want a Job.
     *
     * @param controller true for the one that made it: only one owner may be the controller
     */
    public static OwnerReference ownerReference(LazyImage owner, boolean controller) {
        return new OwnerReferenceBuilder()
                .withApiVersion(HasMetadata.getApiVersion(LazyImage.class))
                .withKind(HasMetadata.getKind(LazyImage.class))
                .withName(owner.getMetadata().getName())
                .withUid(owner.getMetadata().getUid())
                .withController(controller ? true : null)
                .build();
    }

    private static Map<String, String> labels(ConversionRequest request, LazyImage owner) {
        var labels = new HashMap<String, String>();
        labels.put(Names.MANAGED_BY_LABEL, Names.MANAGED_BY);
        labels.put(Names.COMPONENT_LABEL, Names.CONVERTER_COMPONENT);
        labels.put(CONVERSION_LABEL, request.id());
        var name = owner.getMetadata().getName();
        if (name.length() <= 63) { // the longest value a label may have; names of objects may be longer
            labels.put(Names.LAZY_IMAGE_LABEL, name);
        }
        return labels;
    }

    private static List<String> arguments(ConversionRequest request, LazyImageSpec spec, ConverterSettings settings) {
        var arguments = new ArrayList<String>(List.of(
                "convert",
                "--source",
                request.source(),
                "--target",
                request.target(),
                "--mode",
                request.mode().word(),
                "--chunk-size",
                request.chunkSize(),
                "--compression",
                request.compression().word(),
                "--verify",
                request.verification().word(),
                "--work",
                WORK,
                "--progress",
                "json",
                "--result",
                TERMINATION_LOG));
        request.dictionary().ifPresent(reference -> arguments.addAll(List.of("--chunk-dict", reference)));
        for (var platform : request.platforms()) {
            arguments.addAll(List.of("--platform", platform));
        }
        for (int i = 0; i < spec.pullSecrets().size(); i++) {
            arguments.addAll(List.of("--pull-config", pullFolder(i) + "/" + SECRET_FILE));
        }
        if (spec.pushSecret() != null) {
            arguments.addAll(List.of("--push-config", PUSH + "/" + SECRET_FILE));
        }
        for (var host : settings.plainHttpHosts()) {
            arguments.addAll(List.of("--plain-http", host));
        }
        return arguments;
    }

    private static List<EnvVar> environment(ConverterSettings settings) {
        return settings.certificates().isEmpty()
                ? List.of()
                : List.of(new EnvVar(CERTIFICATES, settings.certificates(), null));
    }

    private static List<Volume> volumes(LazyImageSpec spec, Quantity workSize) {
        var volumes = new ArrayList<Volume>();
        volumes.add(scratch("work", workSize));
        volumes.add(scratch("tmp", new Quantity(TMP_SIZE)));
        for (int i = 0; i < spec.pullSecrets().size(); i++) {
            volumes.add(secret("pull-" + i, spec.pullSecrets().get(i).name()));
        }
        var push = spec.pushSecret();
        if (push != null) {
            volumes.add(secret("push", push.name()));
        }
        return volumes;
    }

    private static List<VolumeMount> mounts(LazyImageSpec spec) {
        var mounts = new ArrayList<VolumeMount>();
        mounts.add(mount("work", WORK, false));
        mounts.add(mount("tmp", "/tmp", false));
        for (int i = 0; i < spec.pullSecrets().size(); i++) {
            mounts.add(mount("pull-" + i, pullFolder(i), true));
        }
        if (spec.pushSecret() != null) {
            mounts.add(mount("push", PUSH, true));
        }
        return mounts;
    }

    private static String pullFolder(int index) {
        return PULL + "/" + index;
    }

    private static Volume scratch(String name, Quantity size) {
        return new VolumeBuilder()
                .withName(name)
                .withNewEmptyDir()
                .withSizeLimit(size)
                .endEmptyDir()
                .build();
    }

    private static Volume secret(String volume, String secret) {
        return new VolumeBuilder()
                .withName(volume)
                .withNewSecret()
                .withSecretName(secret)
                .withDefaultMode(SECRET_FILE_MODE)
                .addNewItem()
                .withKey(SECRET_KEY)
                .withPath(SECRET_FILE)
                .endItem()
                .endSecret()
                .build();
    }

    private static VolumeMount mount(String volume, String path, boolean readOnly) {
        return new VolumeMountBuilder()
                .withName(volume)
                .withMountPath(path)
                .withReadOnly(readOnly)
                .build();
    }

    private static ResourceRequirements resources(LazyImageSpec.Converter converter, ConverterSettings settings) {
        var wanted = converter.resources();
        return wanted != null
                ? wanted
                : new ResourceRequirementsBuilder()
                        .withRequests(settings.defaultRequests())
                        .withLimits(settings.defaultLimits())
                        .build();
    }

    private static Quantity workSize(ResourceRequirements resources, ConverterSettings settings) {
        var limits = resources.getLimits();
        return limits == null ? settings.workSize() : limits.getOrDefault("ephemeral-storage", settings.workSize());
    }

    /** Seconds of a duration, at least one: a Job's deadline must be above zero. */
    private static long seconds(String duration) {
        return Math.max(
                1, Durations.parse(duration).plus(Duration.ofMillis(999)).toSeconds());
    }

    private static String annotation(Job job, String key) {
        var annotations = job.getMetadata().getAnnotations();
        return annotations == null ? "" : annotations.getOrDefault(key, "");
    }
}
