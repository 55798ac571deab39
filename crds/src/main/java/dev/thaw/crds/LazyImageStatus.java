package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the operator knows of a {@link LazyImage}. Times are RFC 3339 in UTC, durations are printed as in {@code 0.42s}. */
@ResourcePart
public record LazyImageStatus(
        @JsonPropertyDescription("Generation of the spec that this status speaks of.") @Nullable Long observedGeneration,

        @JsonPropertyDescription("Ready first; then Resolved, Converted, Verified, Warm, SLOMet, Degraded.")
        List<Condition> conditions,

        @JsonPropertyDescription("What the source reference points to.") @Nullable Source source,

        @JsonPropertyDescription("Reference of the lazy image by digest: what pods are given.") @Nullable String lazyImage,

        @JsonPropertyDescription("Mode of the published image.") @Nullable Mode mode,

        @JsonPropertyDescription("Why that mode was chosen.") @Nullable String modeReason,

        @JsonPropertyDescription("The newest conversion.") @Nullable Conversion conversion,

        @JsonPropertyDescription("Figures of the published image, all platforms together.") @Nullable Artifact artifact,

        @JsonPropertyDescription("One entry for each converted platform.")
        List<PlatformImage> platforms,

        @Size(max = 3) @JsonPropertyDescription(
                "Published before, newest first, and still served, so that pods admitted with it can restart.")
        List<Earlier> earlier,

        @JsonPropertyDescription("Present while a conversion runs.") @Nullable Progress progress,

        @JsonPropertyDescription("Cold starts measured on the nodes.") @Nullable ColdStart coldStart,

        @JsonPropertyDescription("What was learned of the image's starts.") @Nullable Prefetch prefetch,

        @JsonPropertyDescription("How many nodes hold the image.") @Nullable NodeTotals nodeTotals,

        @Size(max = 32) @JsonPropertyDescription("At most 32 nodes: the failing ones first, then the newest.")
        List<NodeReport> nodes) {

    /** Most entries of {@link #nodes}. */
    public static final int MAX_NODES = 32;

    /** Most entries of {@link #earlier}. */
    public static final int MAX_EARLIER = 3;

    /** Nothing is known yet. */
    public static final LazyImageStatus EMPTY = new LazyImageStatus(
            null, List.of(), null, null, null, null, null, null, List.of(), List.of(), null, null, null, null,
            List.of());

    public LazyImageStatus {
        conditions = conditions == null ? List.of() : List.copyOf(conditions);
        platforms = platforms == null ? List.of() : List.copyOf(platforms);
        earlier = earlier == null ? List.of() : List.copyOf(earlier);
        nodes = nodes == null ? List.of() : List.copyOf(nodes);
    }

    /** The condition of that type, if it was ever set. */
    public Optional<Condition> condition(ConditionType type) {
        return Condition.find(conditions, type);
    }

    /** What the source reference points to. */
    @ResourcePart
    public record Source(
            @JsonPropertyDescription("Digest of the source's manifest or index.")
            String digest,

            @JsonPropertyDescription("Media type of what that digest names.") @Nullable String mediaType,

            @JsonPropertyDescription("When the digest was last looked up.") @Nullable String resolvedAt) {}

    /** The newest conversion. */
    @ResourcePart
    public record Conversion(
            @JsonPropertyDescription("Name of the Job.") @Nullable String job,

            @JsonPropertyDescription("Digest of the source that was, or is being, converted.") @Nullable String sourceDigest,

            @JsonPropertyDescription("The choices that shape the published bytes, in one line.") @Nullable String options,

            @JsonPropertyDescription("Tries so far.") int attempts,

            @JsonPropertyDescription("Begin of the newest try.") @Nullable String startTime,

            @JsonPropertyDescription("End of the newest try.") @Nullable String completionTime,

            @JsonPropertyDescription("Last lines of the log of a failed try.") @Nullable String log) {}

    /** Figures of a published image, all platforms together. */
    @ResourcePart
    public record Artifact(
            @JsonPropertyDescription("Bytes of the source's compressed layers.")
            long sourceBytes,

            @JsonPropertyDescription("Bytes of all files, uncompressed.")
            long contentBytes,

            @JsonPropertyDescription("Bytes of the chunk blobs, without those of spec.chunkDictRef.")
            long blobBytes,

            @JsonPropertyDescription("Stored bytes of the chunks that are shared with spec.chunkDictRef.")
            long sharedBytes,

            @JsonPropertyDescription("Those bytes as a share of all stored ones.") @Nullable String sharedRatio,

            @JsonPropertyDescription("Bytes of the file trees.")
            long bootstrapBytes,

            @JsonPropertyDescription("Source layers.") int layers,

            @JsonPropertyDescription("Layers taken over from an earlier conversion.")
            int reusedLayers,

            @JsonPropertyDescription("Entries of the file trees.")
            long files,

            @JsonPropertyDescription("Distinct chunks.") long chunks,

            @JsonPropertyDescription("Bytes that were there already, as another chunk.")
            long duplicateBytes,

            @JsonPropertyDescription("Those bytes as a share of all content.") @Nullable String duplicateRatio,

            @JsonPropertyDescription("How long the conversion took.") @Nullable String duration,

            @JsonPropertyDescription("Content bytes converted in a second.") @Nullable String throughput) {
        /** Sums up the platforms of one conversion; {@code throughputBytesPerSecond} 0 means unknown. */
        public static Artifact of(List<PlatformImage> platforms, Duration took, long throughputBytesPerSecond) {
            long content =
                    platforms.stream().mapToLong(PlatformImage::contentBytes).sum();
            long duplicates =
                    platforms.stream().mapToLong(PlatformImage::duplicateBytes).sum();
            long blobs = platforms.stream().mapToLong(PlatformImage::blobBytes).sum();
            long shared =
                    platforms.stream().mapToLong(PlatformImage::sharedBytes).sum();
            return new Artifact(
                    platforms.stream().mapToLong(PlatformImage::sourceBytes).sum(),
                    content,
                    blobs,
                    shared,
                    Shares.percent(shared, blobs + shared),
                    platforms.stream().mapToLong(PlatformImage::bootstrapBytes).sum(),
                    platforms.stream().mapToInt(PlatformImage::layers).sum(),
                    platforms.stream().mapToInt(PlatformImage::reusedLayers).sum(),
                    platforms.stream().mapToLong(PlatformImage::files).sum(),
                    platforms.stream().mapToLong(PlatformImage::chunks).sum(),
                    duplicates,
                    Shares.percent(duplicates, content),
                    Durations.print(took),
                    throughputBytesPerSecond > 0
                            ? ByteSize.of(throughputBytesPerSecond).rounded() + "/s"
                            : null);
        }
    }

    /** One platform of a published image. Digests are those of manifests. */
    @ResourcePart
    public record PlatformImage(
            @JsonPropertyDescription("os/architecture[/variant]")
            String platform,

            @JsonPropertyDescription("Digest of the source's manifest of this platform.")
            String sourceDigest,

            @JsonPropertyDescription("Digest of the lazy manifest, which containers run.")
            String lazyDigest,

            @JsonPropertyDescription("Digest of the artifact manifest, which agents read.")
            String artifactDigest,

            @JsonPropertyDescription("Source layers.") int layers,

            @JsonPropertyDescription("Layers taken over from an earlier conversion.")
            int reusedLayers,

            @JsonPropertyDescription("Entries of the file tree.")
            long files,

            @JsonPropertyDescription("Distinct chunks.") long chunks,

            @JsonPropertyDescription("Bytes of the source's compressed layers.")
            long sourceBytes,

            @JsonPropertyDescription("Bytes of all files, uncompressed.")
            long contentBytes,

            @JsonPropertyDescription("Bytes of the chunk blobs, without those of spec.chunkDictRef.")
            long blobBytes,

            @JsonPropertyDescription("Stored bytes of the chunks that are shared with spec.chunkDictRef.")
            long sharedBytes,

            @JsonPropertyDescription("Bytes of the file tree.")
            long bootstrapBytes,

            @JsonPropertyDescription("Bytes that were there already, as another chunk.")
            long duplicateBytes) {}

    /** A lazy image that was published before the present one. */
    @ResourcePart
    public record Earlier(
            @JsonPropertyDescription("Reference of the lazy image by digest.")
            String lazyImage,

            @JsonPropertyDescription("Digest of its source's manifest or index.")
            String sourceDigest,

            @JsonPropertyDescription("One entry for each converted platform.")
            List<PlatformImage> platforms) {
        public Earlier {
            platforms = platforms == null ? List.of() : List.copyOf(platforms);
        }
    }

    /** How far a running conversion is. */
    @ResourcePart
    public record Progress(
            @JsonPropertyDescription("What is being done.") ConversionPhase phase,

            @JsonPropertyDescription("Bytes done in this phase.")
            long bytesDone,

            @JsonPropertyDescription("Bytes of this phase; 0 when they are not known.")
            long bytesTotal,

            @JsonPropertyDescription("Done as a share of the total.") @Nullable String percent) {
        /** Works the share out. */
        public static Progress of(ConversionPhase phase, long bytesDone, long bytesTotal) {
            return new Progress(phase, bytesDone, bytesTotal, Shares.percent(bytesDone, bytesTotal));
        }
    }

    /** Cold starts measured on the nodes. */
    @ResourcePart
    public record ColdStart(
            @JsonPropertyDescription("Cold starts that the figures below are drawn from.")
            long samples,

            @JsonPropertyDescription("From the begin of the pull to the start of the container's process.") @Nullable Latency entrypoint,

            @JsonPropertyDescription("From the begin of the pull to the pod's Ready condition.") @Nullable Latency ready,

            @JsonPropertyDescription("Bytes that a read waited for, mean of the samples.")
            long demandBytes,

            @JsonPropertyDescription("Bytes fetched ahead of the reads, mean of the samples.")
            long aheadBytes,

            @JsonPropertyDescription("Share of the image that a cold start touched, mean of the samples.") @Nullable String touched,

            @JsonPropertyDescription("Time of the newest sample.") @Nullable String lastTime) {}

    /** What was learned of an image's starts. */
    @ResourcePart
    public record Prefetch(
            @JsonPropertyDescription("Starts that it was learned from.")
            int starts,

            @JsonPropertyDescription("Chunks that starts read, which the next one is given before it asks.")
            long chunks,

            @JsonPropertyDescription("Bytes of those chunks, as they are stored.")
            long bytes,

            @JsonPropertyDescription("Share of what was fetched ahead for those starts that they read.") @Nullable String used) {
        /** Works the share out; {@code prefetchedBytes} 0 means that nothing was fetched ahead. */
        public static Prefetch of(int starts, long chunks, long bytes, long usedBytes, long prefetchedBytes) {
            return new Prefetch(
                    starts, chunks, bytes, prefetchedBytes == 0 ? null : Shares.percent(usedBytes, prefetchedBytes));
        }
    }

    /** How many nodes hold an image. */
    @ResourcePart
    public record NodeTotals(
            @JsonPropertyDescription("Nodes with an agent that know the image.")
            int total,

            @JsonPropertyDescription("Nodes where a container can start from it.")
            int ready,

            @JsonPropertyDescription("Nodes that hold what the warm-up asked for.")
            int warm,

            @JsonPropertyDescription("Nodes that hold all of it.")
            int complete,

            @JsonPropertyDescription("Nodes where it cannot be served.")
            int failed,

            @JsonPropertyDescription("ready/total") String summary,

            @JsonPropertyDescription("Share of the image that the ready nodes hold, on average.") @Nullable String cached) {
        /** Works the summary out; {@code cachedPercent} below zero means unknown. */
        public static NodeTotals of(int total, int ready, int warm, int complete, int failed, int cachedPercent) {
            return new NodeTotals(
                    total,
                    ready,
                    warm,
                    complete,
                    failed,
                    ready + "/" + total,
                    cachedPercent < 0 ? null : cachedPercent + "%");
        }
    }

    /** What one node says of an image. */
    @ResourcePart
    public record NodeReport(
            @JsonPropertyDescription("Name of the node.") String node,
            @JsonPropertyDescription("How far the node is.") NodePhase phase,

            @JsonPropertyDescription("Share of the image in the node's cache, 0 to 100.")
            int cachedPercent,

            @JsonPropertyDescription("Begin of the last cold start there.") @Nullable String lastColdStart,

            @JsonPropertyDescription("Its time to the start of the process.") @Nullable String entrypoint,

            @JsonPropertyDescription("Its time to the pod's Ready condition.") @Nullable String ready,

            @JsonPropertyDescription("Reads and mounts that failed since the agent started.")
            long errors,

            @JsonPropertyDescription("The last of those failures.") @Nullable String message) {}

    /** An empty builder. */
    public static Builder builder() {
        return EMPTY.toBuilder();
    }

    /** Collects what differs from the defaults. */
    public static final class Builder {
        private @Nullable Long observedGeneration;
        private List<Condition> conditions = List.of();
        private @Nullable Source source;
        private @Nullable String lazyImage;
        private @Nullable Mode mode;
        private @Nullable String modeReason;
        private @Nullable Conversion conversion;
        private @Nullable Artifact artifact;
        private List<PlatformImage> platforms = List.of();
        private List<Earlier> earlier = List.of();
        private @Nullable Progress progress;
        private @Nullable ColdStart coldStart;
        private @Nullable Prefetch prefetch;
        private @Nullable NodeTotals nodeTotals;
        private List<NodeReport> nodes = List.of();

        private Builder() {}

        public Builder observedGeneration(@Nullable Long observedGeneration) {
            this.observedGeneration = observedGeneration;
            return this;
        }

        public Builder conditions(List<Condition> conditions) {
            this.conditions = conditions;
            return this;
        }

        public Builder source(@Nullable Source source) {
            this.source = source;
            return this;
        }

        public Builder lazyImage(@Nullable String lazyImage) {
            this.lazyImage = lazyImage;
            return this;
        }

        public Builder mode(@Nullable Mode mode) {
            this.mode = mode;
            return this;
        }

        public Builder modeReason(@Nullable String modeReason) {
            this.modeReason = modeReason;
            return this;
        }

        public Builder conversion(@Nullable Conversion conversion) {
            this.conversion = conversion;
            return this;
        }

        public Builder artifact(@Nullable Artifact artifact) {
            this.artifact = artifact;
            return this;
        }

        public Builder platforms(List<PlatformImage> platforms) {
            this.platforms = platforms;
            return this;
        }

        public Builder earlier(List<Earlier> earlier) {
            this.earlier = earlier;
            return this;
        }

        public Builder progress(@Nullable Progress progress) {
            this.progress = progress;
            return this;
        }

        public Builder coldStart(@Nullable ColdStart coldStart) {
            this.coldStart = coldStart;
            return this;
        }

        public Builder prefetch(@Nullable Prefetch prefetch) {
            this.prefetch = prefetch;
            return this;
        }

        public Builder nodeTotals(@Nullable NodeTotals nodeTotals) {
            this.nodeTotals = nodeTotals;
            return this;
        }

        public Builder nodes(List<NodeReport> nodes) {
            this.nodes = nodes;
            return this;
        }

        public LazyImageStatus build() {
            return new LazyImageStatus(
                    observedGeneration,
                    conditions,
                    source,
                    lazyImage,
                    mode,
                    modeReason,
                    conversion,
                    artifact,
                    platforms,
                    earlier,
                    progress,
                    coldStart,
                    prefetch,
                    nodeTotals,
                    nodes);
        }
    }

    /** A builder that holds what this holds. */
    public Builder toBuilder() {
        return new Builder()
                .observedGeneration(observedGeneration)
                .conditions(conditions)
                .source(source)
                .lazyImage(lazyImage)
                .mode(mode)
                .modeReason(modeReason)
                .conversion(conversion)
                .artifact(artifact)
                .platforms(platforms)
                .earlier(earlier)
                .progress(progress)
                .coldStart(coldStart)
                .prefetch(prefetch)
                .nodeTotals(nodeTotals)
                .nodes(nodes);
    }
}
