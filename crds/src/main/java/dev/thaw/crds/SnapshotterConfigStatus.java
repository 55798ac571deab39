package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What the operator knows of the agents of a {@link SnapshotterConfig}. */
@ResourcePart
public record SnapshotterConfigStatus(
        @JsonPropertyDescription("Generation of the spec that this status speaks of.") @Nullable Long observedGeneration,

        @JsonPropertyDescription("Ready first; then Progressing, Degraded.")
        List<Condition> conditions,

        @JsonPropertyDescription("Nodes by how far they are.") @Nullable Nodes nodes,

        @JsonPropertyDescription("Drivers in use and on how many nodes, such as Erofs:12,Fuse:1.") @Nullable String drivers,

        @JsonPropertyDescription("The nodes' caches, taken together.") @Nullable CacheUse cache,

        @JsonPropertyDescription("RuntimeClasses that this configuration made.")
        List<String> runtimeClasses,

        @Size(max = 32) @JsonPropertyDescription("Combinations seen on the nodes, the most frequent first.")
        List<VersionSeen> versions,

        @Size(max = 32) @JsonPropertyDescription("At most 32 problems, the newest first.")
        List<Problem> problems) {

    /** Most entries of {@link #versions} and of {@link #problems}. */
    public static final int MAX_ENTRIES = 32;

    /** Nothing is known yet. */
    public static final SnapshotterConfigStatus EMPTY =
            new SnapshotterConfigStatus(null, List.of(), null, null, null, List.of(), List.of(), List.of());

    public SnapshotterConfigStatus {
        conditions = conditions == null ? List.of() : List.copyOf(conditions);
        runtimeClasses = runtimeClasses == null ? List.of() : List.copyOf(runtimeClasses);
        versions = versions == null ? List.of() : List.copyOf(versions);
        problems = problems == null ? List.of() : List.copyOf(problems);
    }

    /** The condition of that type, if it was ever set. */
    public Optional<Condition> condition(ConditionType type) {
        return Condition.find(conditions, type);
    }

    /** An empty builder. */
    public static Builder builder() {
        return EMPTY.toBuilder();
    }

    /** What {@link #drivers} says for these versions: {@code Erofs:12,Fuse:1}; null when nothing has been seen. */
    public static @Nullable String summary(List<VersionSeen> versions) {
        Map<String, Integer> byDriver = new TreeMap<>();
        versions.forEach(seen -> byDriver.merge(seen.driver(), seen.nodes(), Integer::sum));
        return byDriver.isEmpty()
                ? null
                : byDriver.entrySet().stream()
                        .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                        .map(entry -> entry.getKey() + ":" + entry.getValue())
                        .collect(Collectors.joining(","));
    }

    /** Nodes by how far they are. */
    @ResourcePart
    public record Nodes(
            @JsonPropertyDescription("Nodes that the configuration selects and that no other one wins.")
            int desired,

            @JsonPropertyDescription("Nodes whose containerd knows the snapshotter.")
            int installed,

            @JsonPropertyDescription("Nodes that take lazy pods.")
            int ready,

            @JsonPropertyDescription("Nodes whose agent is not yet that of this spec.")
            int outdated) {}

    /** The nodes' caches, taken together. */
    @ResourcePart
    public record CacheUse(
            @JsonPropertyDescription("Bytes of cached chunks on all nodes.")
            long usedBytes,

            @JsonPropertyDescription("Bytes that cached chunks may take on all nodes.")
            long capacityBytes,

            @JsonPropertyDescription("Used and capacity for the eye, such as 412Gi/1.2Ti.")
            String summary) {
        /** Works the summary out. */
        public static CacheUse of(long usedBytes, long capacityBytes) {
            return new CacheUse(
                    usedBytes,
                    capacityBytes,
                    ByteSize.of(usedBytes).rounded() + "/"
                            + ByteSize.of(capacityBytes).rounded());
        }
    }

    /** A combination of versions seen on nodes. */
    @ResourcePart
    public record VersionSeen(
            @JsonPropertyDescription("Version of containerd.")
            String containerd,

            @JsonPropertyDescription("Release of the kernel.")
            String kernel,

            @JsonPropertyDescription("Driver in use.") String driver,

            @JsonPropertyDescription("Why that driver and no other.") @Nullable String driverReason,

            @JsonPropertyDescription("Version of the agent.") @Nullable String agent,

            @JsonPropertyDescription("How many nodes are so.")
            int nodes) {}

    /** Something that a person should look at. */
    @ResourcePart
    public record Problem(
            @JsonPropertyDescription("Name of the node; empty when it is none of one node.") @Nullable String node,

            @JsonPropertyDescription("Which check found it.")
            String check,

            @JsonPropertyDescription("What was found, and what to do.")
            String message,

            @JsonPropertyDescription("Since when.") @Nullable String since) {}

    /** Collects what differs from the defaults. */
    public static final class Builder {
        private @Nullable Long observedGeneration;
        private List<Condition> conditions = List.of();
        private @Nullable Nodes nodes;
        private @Nullable String drivers;
        private @Nullable CacheUse cache;
        private List<String> runtimeClasses = List.of();
        private List<VersionSeen> versions = List.of();
        private List<Problem> problems = List.of();

        private Builder() {}

        public Builder observedGeneration(@Nullable Long observedGeneration) {
            this.observedGeneration = observedGeneration;
            return this;
        }

        public Builder conditions(List<Condition> conditions) {
            this.conditions = conditions;
            return this;
        }

        public Builder nodes(@Nullable Nodes nodes) {
            this.nodes = nodes;
            return this;
        }

        public Builder drivers(@Nullable String drivers) {
            this.drivers = drivers;
            return this;
        }

        public Builder cache(@Nullable CacheUse cache) {
            this.cache = cache;
            return this;
        }

        public Builder runtimeClasses(List<String> runtimeClasses) {
            this.runtimeClasses = runtimeClasses;
            return this;
        }

        public Builder versions(List<VersionSeen> versions) {
            this.versions = versions;
            return this;
        }

        public Builder problems(List<Problem> problems) {
            this.problems = problems;
            return this;
        }

        public SnapshotterConfigStatus build() {
            return new SnapshotterConfigStatus(
                    observedGeneration, conditions, nodes, drivers, cache, runtimeClasses, versions, problems);
        }
    }

    /** A builder that holds what this holds. */
    public Builder toBuilder() {
        return new Builder()
                .observedGeneration(observedGeneration)
                .conditions(conditions)
                .nodes(nodes)
                .drivers(drivers)
                .cache(cache)
                .runtimeClasses(runtimeClasses)
                .versions(versions)
                .problems(problems);
    }
}
