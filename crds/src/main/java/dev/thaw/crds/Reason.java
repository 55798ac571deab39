package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;

/** Why a condition is as it is: a closed list, each with the sentence that a person reads. */
public enum Reason {
    // of a lazy image
    SERVING("Serving", "Pods that ask for it start from the lazy image."),
    RESOLVING("Resolving", "The source reference is being looked up."),
    RESOLVED("Resolved", "The source reference points to a known digest."),
    PINNED("Pinned", "The first digest is kept, whatever the tag points to now."),
    SUSPENDED("Suspended", "spec.suspend is set: nothing is looked up or converted."),
    QUEUED("Queued", "The conversion waits for others to end."),
    CONVERTING("Converting", "The image is being converted."),
    CONVERTED("Converted", "A lazy image of the source's digest is published."),
    ALREADY_PUBLISHED("AlreadyPublished", "A lazy image of the source's digest was found in the registry."),
    VERIFYING("Verifying", "The published tree is being compared with the source."),
    VERIFIED("Verified", "The published tree equals the source."),
    VERIFICATION_OFF("VerificationOff", "spec.verification is Off: the published tree was not compared."),
    DELETING("Deleting", "What was published is being removed from the registry."),
    DELETION_FAILED("DeletionFailed", "What was published could not be removed from the registry; it is tried again."),

    // what a conversion can end with
    INVALID_REFERENCE("InvalidReference", "The image reference cannot be read."),
    SECRET_NOT_FOUND(
            "SecretNotFound",
            "A Secret that the spec names does not exist in this namespace, or is not of type kubernetes.io/dockerconfigjson."),
    SOURCE_NOT_FOUND("SourceNotFound", "The registry does not know the source image."),
    SOURCE_UNAUTHORIZED("SourceUnauthorized", "The registry does not let these credentials read the source image."),
    TARGET_FORBIDDEN("TargetForbidden", "The registry does not let these credentials publish to the target."),
    REGISTRY_UNAVAILABLE("RegistryUnavailable", "The registry does not answer, or not in time; it is tried again."),
    UNSUPPORTED_MEDIA_TYPE(
            "UnsupportedMediaType",
            "The source is not a container image, or holds a kind of layer that cannot be converted."),
    CORRUPT_LAYER("CorruptLayer", "A source layer is damaged: it does not match its digest or cannot be unpacked."),
    UNSAFE_LAYER("UnsafeLayer", "A source layer holds an entry that reaches out of the image's root."),
    PLATFORM_NOT_FOUND("PlatformNotFound", "The source has none of the wanted platforms."),
    VERIFICATION_FAILED(
            "VerificationFailed", "The published tree differs from the source; pods keep the original image."),
    DISK_FULL("DiskFull", "There is no room left on the disk."),
    DEADLINE_EXCEEDED("DeadlineExceeded", "The conversion took longer than spec.converter.deadline."),
    OUT_OF_MEMORY(
            "OutOfMemory",
            "The converter was killed for want of memory: raise spec.converter.resources.limits.memory."),
    JOB_REJECTED(
            "JobRejected", "The conversion Job could not be made: a quota or a policy of the namespace forbids it."),
    INTERNAL("Internal", "Something went wrong that has no name; the message and the log tell more."),

    // warm-up
    WARMING("Warming", "Nodes are fetching the image."),
    WARMED("Warmed", "Every chosen node holds what was asked for."),
    WARMUP_FAILING("WarmupFailing", "Some nodes cannot fetch what was asked for; they go on trying."),
    NO_ELIGIBLE_NODE("NoEligibleNode", "No node that the selector names has an agent."),
    NOT_REQUESTED("NotRequested", "Nothing was asked for."),

    // objectives
    WITHIN_OBJECTIVE("WithinObjective", "Cold starts stay within the objective."),
    ABOVE_OBJECTIVE("AboveObjective", "Cold starts take longer than the objective."),
    NO_SAMPLES("NoSamples", "No cold start has been measured yet."),

    // degraded
    AS_EXPECTED("AsExpected", "All is well."),
    SOURCE_UNREACHABLE(
            "SourceUnreachable", "The source cannot be looked up; the last lazy image goes on being served."),
    CONVERSION_FAILING(
            "ConversionFailing",
            "The newest digest cannot be converted; the lazy image of the one before goes on being served."),
    CREDENTIALS_FAILING("CredentialsFailing", "Nodes have no valid credentials for the lazy image."),
    NODES_FAILING("NodesFailing", "The image cannot be served on some nodes."),

    // of a snapshotter configuration
    AGENTS_READY("AgentsReady", "Every selected node takes lazy pods."),
    AGENTS_NOT_READY("AgentsNotReady", "Some selected nodes do not take lazy pods yet."),
    NO_NODES("NoNodes", "The selector matches no node."),
    ROLLING_OUT("RollingOut", "Agents are being started or replaced."),
    ROLLED_OUT("RolledOut", "Every agent is that of this spec."),
    REMOVING("Removing", "Agents are giving back containerd's configuration."),
    OVERLAPPING("Overlapping", "Another configuration of higher priority owns some of the selected nodes."),
    NODE_PROBLEMS("NodeProblems", "Some nodes report problems: see status.problems."),
    CONTAINERD_INCOMPATIBLE("ContainerdIncompatible", "Some nodes run a containerd that the agent cannot work with."),
    RESTART_PENDING("RestartPending", "containerd must be restarted on some nodes before it knows the snapshotter."),
    DRIVER_UNAVAILABLE("DriverUnavailable", "Some nodes can use none of the wished-for mount drivers."),

    // of a version that this one does not know
    UNKNOWN("Unknown", "A reason that this version does not know.");

    private final String word;
    private final String sentence;

    Reason(String word, String sentence) {
        this.word = word;
        this.sentence = sentence;
    }

    /** The word that stands in YAML. */
    @JsonValue
    public String word() {
        return word;
    }

    /** What a person reads when there is nothing more special to say. */
    public String sentence() {
        return sentence;
    }

    /** The reason of that word; {@link #UNKNOWN} for one that a newer version may have written. */
    @JsonCreator
    public static Reason of(String word) {
        return Arrays.stream(values())
                .filter(reason -> reason.word.equals(word))
                .findFirst()
                .orElse(UNKNOWN);
    }

    @Override
    public String toString() {
        return word;
    }
}
