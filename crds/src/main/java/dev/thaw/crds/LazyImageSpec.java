package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.Toleration;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the user of a {@link LazyImage} wants. */
@ResourcePart
@ValidationRule(
        value = "!has(self.target) || !has(self.target.tag) || (has(self.target.repository)"
                + " ? self.image.split('@')[0] != self.target.repository + ':' + self.target.tag"
                + " : !self.image.split('@')[0].endsWith(':' + self.target.tag))",
        message = "target names the source itself: the lazy image needs a tag of its own")
public record LazyImageSpec(
        @Required
        @Size(min = 1, max = 512) @Pattern("^[^\\s@]+(@[a-z0-9]+:[0-9a-f]+)?$") @JsonPropertyDescription("Reference of the source image, with a tag or a digest: registry.example/team/app:1.4")
        String image,

        @Default("{}") @JsonPropertyDescription("Whether the operator goes on looking where the tag points to.")
        Resolve resolve,

        @Size(max = 16) @JsonPropertyDescription(
                "Platforms to convert, as os/architecture[/variant]. Default: those of the cluster's nodes.")
        List<@Pattern("^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$") @Size(max = 64) String> platforms,

        @Default("Auto")
        @JsonPropertyDescription(
                "Convert: files are copied into compressed chunks of their own. Index: chunks are ranges of the"
                        + " untouched layers. Auto: the operator chooses and status.modeReason says why.")
        Mode mode,

        @JsonPropertyDescription("Where the lazy image is published.") @Nullable Target target,

        @Size(max = 16) @JsonPropertyDescription(
                "Secrets of this namespace (kubernetes.io/dockerconfigjson) used to read the source and, on nodes,"
                        + " the lazy image.")
        List<SecretName> pullSecrets,

        @JsonPropertyDescription(
                "Secret of this namespace (kubernetes.io/dockerconfigjson) used to publish. Default: the pull"
                        + " secrets.")
        @Nullable SecretName pushSecret,

        @Default("1Mi")
        @Pattern("^(64Ki|128Ki|256Ki|512Ki|1Mi|2Mi|4Mi|8Mi|16Mi)$") @JsonPropertyDescription("Size of a chunk in Convert mode, a power of two from 64Ki to 16Mi.")
        String chunkSize,

        @Default("zstd") @JsonPropertyDescription("How chunks are compressed in Convert mode.")
        Compression compression,

        @JsonPropertyDescription(
                "A LazyImage of this namespace, or this one itself, for Convert mode: chunks that it has published are"
                        + " referred to and not stored again. Itself: those of its last version. It is looked up when a"
                        + " conversion begins; if it has published nothing yet, nothing is shared.")
        @Nullable LazyImageName chunkDictRef,

        @Default("{}") @JsonPropertyDescription("What is fetched ahead of the reads.")
        Prefetch prefetch,

        @Default("AfterReady")
        @JsonPropertyDescription(
                "When the rest of the image is filled in: Always (from the first mount on), AfterReady (once the"
                        + " container runs), Never.")
        BackgroundFetch backgroundFetch,

        @Default("Full")
        @JsonPropertyDescription(
                "Full: the published tree is compared with the source, entry by entry and byte by byte, before"
                        + " any pod may use it.")
        Verification verification,

        @JsonPropertyDescription("Nodes that fetch the image before the first pod asks for it.") @Nullable Warmup warmup,

        @JsonPropertyDescription("Objectives for cold starts; they drive the condition SLOMet.") @Nullable Slo slo,

        @Default("{}") @JsonPropertyDescription("The Job that converts.")
        Converter converter,

        @Default("Retain")
        @JsonPropertyDescription("Delete: what was published is removed from the registry with this object.")
        DeletionPolicy deletionPolicy,

        @Default("false")
        @JsonPropertyDescription(
                "true: nothing is resolved or converted any more. What is published goes on being served.")
        boolean suspend) {

    public LazyImageSpec {
        resolve = resolve == null ? Resolve.DEFAULT : resolve;
        platforms = platforms == null ? List.of() : List.copyOf(platforms);
        mode = mode == null ? Mode.AUTO : mode;
        pullSecrets = pullSecrets == null ? List.of() : List.copyOf(pullSecrets);
        chunkSize = chunkSize == null ? "1Mi" : chunkSize;
        compression = compression == null ? Compression.ZSTD : compression;
        prefetch = prefetch == null ? Prefetch.DEFAULT : prefetch;
        backgroundFetch = backgroundFetch == null ? BackgroundFetch.AFTER_READY : backgroundFetch;
        verification = verification == null ? Verification.FULL : verification;
        converter = converter == null ? Converter.DEFAULT : converter;
        deletionPolicy = deletionPolicy == null ? DeletionPolicy.RETAIN : deletionPolicy;
    }

    /** A spec with every default. */
    public static LazyImageSpec of(String image) {
        return builder(image).build();
    }

    /** Starts from the defaults. */
    public static Builder builder(String image) {
        return new Builder(image);
    }

    /** The size of a chunk in Convert mode. */
    public ByteSize chunkBytes() {
        return ByteSize.parse(chunkSize);
    }

    /** Whether and how often a tag is looked up. */
    @ResourcePart
    @ValidationRule(
            value = "duration(self.interval) >= duration('10s')",
            message = "interval must be at least 10s: registries limit how often they may be asked")
    public record Resolve(
            @Default("Follow")
            @JsonPropertyDescription("Follow: a tag that moves is converted anew. Pin: the first digest stays.")
            ResolvePolicy policy,

            @Default("5m")
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("Time between two looks at the tag, such as 5m or 1h30m; at least 10s.")
            String interval) {
        /** Follows the tag and looks every five minutes. */
        public static final Resolve DEFAULT = new Resolve(ResolvePolicy.FOLLOW, "5m");

        public Resolve {
            policy = policy == null ? ResolvePolicy.FOLLOW : policy;
            interval = interval == null ? "5m" : interval;
        }

        /** Time between two looks at the tag. */
        public Duration every() {
            return Durations.parse(interval);
        }
    }

    /** Where a lazy image is published. */
    @ResourcePart
    public record Target(
            @Size(min = 1, max = 255) @Pattern("^[A-Za-z0-9][A-Za-z0-9._:/-]*$") @JsonPropertyDescription("Repository, registry included. Default: that of the source.")
            @Nullable String repository,

            @Size(min = 1, max = 128) @Pattern("^[A-Za-z0-9_][A-Za-z0-9._-]*$") @JsonPropertyDescription("Tag. Default: the source's tag followed by -thaw.")
            @Nullable String tag) {}

    /** A Secret of the object's own namespace. */
    @ResourcePart
    public record SecretName(
            @Required @Size(min = 1, max = 253) @JsonPropertyDescription("Name of a Secret in this namespace.")
            String name) {}

    /** Another LazyImage. */
    @ResourcePart
    public record LazyImageName(
            @Required @Size(min = 1, max = 253) @JsonPropertyDescription("Name of a LazyImage in this namespace.")
            String name) {}

    /** What is fetched ahead of the reads. */
    @ResourcePart
    @ValidationRule(
            value = "self.policy != 'Off' || !has(self.paths) || self.paths.size() == 0",
            message = "paths are only read with policy Learn or Paths")
    @ValidationRule(
            value = "self.policy != 'Paths' || (has(self.paths) && self.paths.size() > 0)",
            message = "policy Paths needs at least one path")
    public record Prefetch(
            @Default("Learn")
            @JsonPropertyDescription(
                    "Learn: what the first starts read, in their order, and the paths below. Paths: the paths below and"
                            + " the entrypoint with its libraries. Off: nothing.")
            PrefetchPolicy policy,

            @Size(max = 256) @JsonPropertyDescription("Absolute paths of files and folders in the image, most urgent first.")
            List<@Pattern("^/.*$") @Size(max = 4096) String> paths) {
        /** Learns, and knows no path beforehand. */
        public static final Prefetch DEFAULT = new Prefetch(PrefetchPolicy.LEARN, List.of());

        public Prefetch {
            policy = policy == null ? PrefetchPolicy.LEARN : policy;
            paths = paths == null ? List.of() : List.copyOf(paths);
        }
    }

    /** Nodes that fetch an image before its first pod. */
    @ResourcePart
    public record Warmup(
            @JsonPropertyDescription("Labels of the nodes to warm. Default: every node with an agent.")
            Map<String, String> nodeSelector,

            @Default("Trace")
            @JsonPropertyDescription(
                    "Metadata: the file tree. Trace: also what earlier starts read or, while none is known, the"
                            + " entrypoint with its libraries. Full: everything.")
            WarmupLevel level,

            @Default("10") @Min(1) @Max(1000) @JsonPropertyDescription("Nodes that fetch at the same time.")
            Integer parallelism) {
        public Warmup {
            nodeSelector = nodeSelector == null ? Map.of() : Map.copyOf(nodeSelector);
            level = level == null ? WarmupLevel.TRACE : level;
            parallelism = parallelism == null ? 10 : parallelism;
        }
    }

    /** Objectives for cold starts, compared with the 95th percentile. */
    @ResourcePart
    @ValidationRule(
            value = "has(self.entrypoint) || has(self.ready)",
            message = "name an objective: entrypoint or ready")
    public record Slo(
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("From the begin of the pull to the start of the container's process: 500ms.")
            @Nullable String entrypoint,

            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("From the begin of the pull to the pod's Ready condition: 30s.")
            @Nullable String ready) {
        /** The objective for the start of the process. */
        public Optional<Duration> entrypointLimit() {
            return Optional.ofNullable(entrypoint).map(Durations::parse);
        }

        /** The objective for the pod's readiness. */
        public Optional<Duration> readyLimit() {
            return Optional.ofNullable(ready).map(Durations::parse);
        }
    }

    /** The Job that converts. */
    @ResourcePart
    public record Converter(
            @JsonPropertyDescription("Requests and limits of the converter's container.") @Nullable ResourceRequirements resources,

            @JsonPropertyDescription("Labels of the nodes that may convert.")
            Map<String, String> nodeSelector,

            @JsonPropertyDescription("Taints that the converter's pod tolerates.")
            List<Toleration> tolerations,

            @Default("1h")
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("Time after which a conversion is given up.")
            String deadline,

            @Default("3") @Min(0) @Max(20) @JsonPropertyDescription("How often a failed conversion is tried again.")
            Integer backoffLimit,

            @Default("1h")
            @Size(max = 32) @Pattern(Durations.PATTERN) @JsonPropertyDescription("How long a finished Job, and with it the log, is kept.")
            String ttl) {
        /** One hour, three more tries, any node. */
        public static final Converter DEFAULT = new Converter(null, Map.of(), List.of(), "1h", 3, "1h");

        public Converter {
            nodeSelector = nodeSelector == null ? Map.of() : Map.copyOf(nodeSelector);
            tolerations = tolerations == null ? List.of() : List.copyOf(tolerations);
            deadline = deadline == null ? "1h" : deadline;
            backoffLimit = backoffLimit == null ? 3 : backoffLimit;
            ttl = ttl == null ? "1h" : ttl;
        }
    }

    /** Collects what differs from the defaults. */
    public static final class Builder {
        private String image;
        private Resolve resolve = Resolve.DEFAULT;
        private List<String> platforms = List.of();
        private Mode mode = Mode.AUTO;
        private @Nullable Target target;
        private List<SecretName> pullSecrets = List.of();
        private @Nullable SecretName pushSecret;
        private String chunkSize = "1Mi";
        private Compression compression = Compression.ZSTD;
        private @Nullable LazyImageName chunkDictRef;
        private Prefetch prefetch = Prefetch.DEFAULT;
        private BackgroundFetch backgroundFetch = BackgroundFetch.AFTER_READY;
        private Verification verification = Verification.FULL;
        private @Nullable Warmup warmup;
        private @Nullable Slo slo;
        private Converter converter = Converter.DEFAULT;
        private DeletionPolicy deletionPolicy = DeletionPolicy.RETAIN;
        private boolean suspend = false;

        private Builder(String image) {
            this.image = image;
        }

        public Builder image(String image) {
            this.image = image;
            return this;
        }

        public Builder resolve(Resolve resolve) {
            this.resolve = resolve;
            return this;
        }

        public Builder platforms(List<String> platforms) {
            this.platforms = platforms;
            return this;
        }

        public Builder mode(Mode mode) {
            this.mode = mode;
            return this;
        }

        public Builder target(@Nullable Target target) {
            this.target = target;
            return this;
        }

        public Builder pullSecrets(List<SecretName> pullSecrets) {
            this.pullSecrets = pullSecrets;
            return this;
        }

        public Builder pushSecret(@Nullable SecretName pushSecret) {
            this.pushSecret = pushSecret;
            return this;
        }

        public Builder chunkSize(String chunkSize) {
            this.chunkSize = chunkSize;
            return this;
        }

        public Builder compression(Compression compression) {
            this.compression = compression;
            return this;
        }

        public Builder chunkDictRef(@Nullable LazyImageName chunkDictRef) {
            this.chunkDictRef = chunkDictRef;
            return this;
        }

        public Builder prefetch(Prefetch prefetch) {
            this.prefetch = prefetch;
            return this;
        }

        public Builder backgroundFetch(BackgroundFetch backgroundFetch) {
            this.backgroundFetch = backgroundFetch;
            return this;
        }

        public Builder verification(Verification verification) {
            this.verification = verification;
            return this;
        }

        public Builder warmup(@Nullable Warmup warmup) {
            this.warmup = warmup;
            return this;
        }

        public Builder slo(@Nullable Slo slo) {
            this.slo = slo;
            return this;
        }

        public Builder converter(Converter converter) {
            this.converter = converter;
            return this;
        }

        public Builder deletionPolicy(DeletionPolicy deletionPolicy) {
            this.deletionPolicy = deletionPolicy;
            return this;
        }

        public Builder suspend(boolean suspend) {
            this.suspend = suspend;
            return this;
        }

        public LazyImageSpec build() {
            return new LazyImageSpec(
                    image,
                    resolve,
                    platforms,
                    mode,
                    target,
                    pullSecrets,
                    pushSecret,
                    chunkSize,
                    compression,
                    chunkDictRef,
                    prefetch,
                    backgroundFetch,
                    verification,
                    warmup,
                    slo,
                    converter,
                    deletionPolicy,
                    suspend);
        }
    }

    /** A builder that holds what this holds. */
    public Builder toBuilder() {
        return new Builder(image)
                .resolve(resolve)
                .platforms(platforms)
                .mode(mode)
                .target(target)
                .pullSecrets(pullSecrets)
                .pushSecret(pushSecret)
                .chunkSize(chunkSize)
                .compression(compression)
                .chunkDictRef(chunkDictRef)
                .prefetch(prefetch)
                .backgroundFetch(backgroundFetch)
                .verification(verification)
                .warmup(warmup)
                .slo(slo)
                .converter(converter)
                .deletionPolicy(deletionPolicy)
                .suspend(suspend);
    }
}
