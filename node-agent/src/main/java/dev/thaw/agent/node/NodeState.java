package dev.thaw.agent.node;

import dev.thaw.agent.clock.Containerd;
import dev.thaw.agent.image.ImageStore;
import dev.thaw.agent.image.WarmLevel;
import dev.thaw.agent.mount.MountDriver;
import dev.thaw.node.v1.NodeImage;
import dev.thaw.node.v1.ReportNodeRequest;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** What {@link NodeReporter} tells of this node, looked up anew each time. */
public final class NodeState {
    private final String version;
    private final ImageStore images;
    private final MountDriver driver;
    private final Containerd containerd;
    private final Supplier<List<String>> otherProblems;

    /**
     * @param version of the agent
     * @param otherProblems what whoever runs the node should know beside what the other parts tell, a sentence each
     */
    public NodeState(
            String version,
            ImageStore images,
            MountDriver driver,
            Containerd containerd,
            Supplier<List<String>> otherProblems) {
        this.version = version;
        this.images = images;
        this.driver = driver;
        this.containerd = containerd;
        this.otherProblems = otherProblems;
    }

    public ReportNodeRequest report() {
        var problems = new ArrayList<>(images.problems());
        problems.addAll(otherProblems.get());
        var containerdVersion = "";
        try {
            containerdVersion = containerd.version();
        } catch (StatusRuntimeException e) {
            problems.add("containerd does not answer, so no start is timed: "
                    + e.getStatus().getDescription());
        }
        var report = ReportNodeRequest.newBuilder()
                .setAgentVersion(version)
                .setContainerdVersion(containerdVersion)
                .setKernelVersion(System.getProperty("os.version"))
                .setDriver(driver.name())
                .setDriverReason(driver.reason())
                .setCacheBytes(images.cacheBytes())
                .setCacheCapacityBytes(images.cacheCapacityBytes())
                .addAllProblems(problems);
        for (var image : images.states()) {
            report.addImages(NodeImage.newBuilder()
                    .setArtifactDigest(image.artifact().toString())
                    .setCachedBytes(image.cachedBytes())
                    .setTotalBytes(image.totalBytes())
                    .setInUse(image.inUse())
                    .setError(image.error())
                    .setAttached(image.attached())
                    .setWarmWanted(level(image.warmWanted()))
                    .setWarm(level(image.warm()))
                    .setWarmError(image.warmError()));
        }
        return report.build();
    }

    private static dev.thaw.node.v1.WarmLevel level(Optional<WarmLevel> level) {
        return switch (level.orElse(null)) {
            case null -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_UNSPECIFIED;
            case METADATA -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_METADATA;
            case ENTRYPOINT -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_ENTRYPOINT;
            case TRACE -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_TRACE;
            case FULL -> dev.thaw.node.v1.WarmLevel.WARM_LEVEL_FULL;
        };
    }
}
