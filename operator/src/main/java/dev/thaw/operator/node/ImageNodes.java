package dev.thaw.operator.node;

import dev.thaw.crds.Durations;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.LazyImageStatus.ColdStart;
import dev.thaw.crds.LazyImageStatus.NodeTotals;
import dev.thaw.crds.LazyImageStatus.Prefetch;
import dev.thaw.crds.NodePhase;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What the nodes make of one image.
 *
 * @param totals over all nodes; null while no node holds the image
 * @param rows at most {@link LazyImageStatus#MAX_NODES}: the failing ones first, then the newest
 * @param coldStart figures of the measured cold starts; null without any
 * @param prefetch what was learned of starts; null where nothing was
 * @param warmth how far its warm-up is; null where none is wanted
 */
public record ImageNodes(
        @Nullable NodeTotals totals,
        List<LazyImageStatus.NodeReport> rows,
        @Nullable ColdStart coldStart,
        @Nullable Prefetch prefetch,
        @Nullable Warmth warmth) {
    public ImageNodes {
        rows = List.copyOf(rows);
    }

    /** No node knows of it. */
    public static final ImageNodes NONE = new ImageNodes(null, List.of(), null, null, null);

    static ImageNodes of(LazyImage image, Nodes nodes, Instant now) {
        var lastStarts = new HashMap<String, Sample>();
        nodes.coldStarts().lastOnNodes(image).forEach(sample -> lastStarts.put(sample.node(), sample));
        return of(
                image,
                nodes.reports().all(),
                lastStarts,
                nodes.coldStarts().figures(image),
                nodes.traces().figures(image),
                nodes.warmups().of(image),
                now);
    }

    static ImageNodes of(
            LazyImage image,
            Collection<NodeReport> reports,
            Map<String, Sample> lastStarts,
            @Nullable ColdStart coldStart,
            @Nullable Prefetch prefetch,
            @Nullable Warmth warmth,
            Instant now) {
        var status = image.getStatus();
        var artifacts = status == null
                ? List.<String>of()
                : status.platforms().stream()
                        .map(LazyImageStatus.PlatformImage::artifactDigest)
                        .toList();
        var rows = new ArrayList<LazyImageStatus.NodeReport>();
        for (var report : reports) {
            if (report.isFresh(now)) {
                report.images().stream()
                        .filter(held -> artifacts.contains(held.artifact()))
                        .findFirst()
                        .ifPresent(held -> rows.add(row(report.node(), held, lastStarts.get(report.node()))));
            }
        }
        if (rows.isEmpty()) {
            return new ImageNodes(null, List.of(), coldStart, prefetch, warmth);
        }
        rows.sort(ORDER);
        var shown = rows.stream().limit(LazyImageStatus.MAX_NODES).toList();
        return new ImageNodes(totals(rows, warmth), shown, coldStart, prefetch, warmth);
    }

    /** The failing ones first, then by the time of the last cold start, newest first, then by name. */
    private static final Comparator<LazyImageStatus.NodeReport> ORDER = Comparator.comparing(
                    (LazyImageStatus.NodeReport row) -> row.phase() != NodePhase.FAILED)
            .thenComparing(row -> started(row), Comparator.reverseOrder())
            .thenComparing(LazyImageStatus.NodeReport::node);

    private static Instant started(LazyImageStatus.NodeReport row) {
        return SampleWindow.instant(row.lastColdStart()).orElse(Instant.EPOCH);
    }

    private static NodeTotals totals(List<LazyImageStatus.NodeReport> rows, @Nullable Warmth warmth) {
        Map<NodePhase, Long> phases =
                rows.stream().collect(Collectors.groupingBy(LazyImageStatus.NodeReport::phase, Collectors.counting()));
        int complete = phases.getOrDefault(NodePhase.COMPLETE, 0L).intValue();
        int ready = (int) rows.stream().filter(ImageNodes::isReady).count();
        int cached = (int) rows.stream()
                .filter(ImageNodes::isReady)
                .mapToInt(LazyImageStatus.NodeReport::cachedPercent)
                .average()
                .orElse(-1);
        int failed = phases.getOrDefault(NodePhase.FAILED, 0L).intValue();
        return NodeTotals.of(rows.size(), ready, warmth == null ? 0 : warmth.warm(), complete, failed, cached);
    }

    private static boolean isReady(LazyImageStatus.NodeReport row) {
        return switch (row.phase()) {
            case READY, WARM, COMPLETE -> true;
            case PENDING, FETCHING, FAILED -> false;
        };
    }

    private static LazyImageStatus.NodeReport row(String node, NodeReport.Image held, @Nullable Sample last) {
        return new LazyImageStatus.NodeReport(
                node,
                phase(held),
                percent(held),
                last == null
                        ? null
                        : last.began().truncatedTo(ChronoUnit.SECONDS).toString(),
                last == null ? null : Durations.print(last.entrypoint()),
                last == null ? null : last.ready().map(Durations::print).orElse(null),
                held.error().isEmpty() ? 0 : 1,
                held.error().isEmpty() ? null : held.error());
    }

    private static NodePhase phase(NodeReport.Image held) {
        if (!held.error().isEmpty()) {
            return NodePhase.FAILED;
        }
        if (held.totalBytes() <= 0) {
            return NodePhase.FETCHING;
        }
        if (held.cachedBytes() >= held.totalBytes()) {
            return NodePhase.COMPLETE;
        }
        return held.warm().compareTo(WarmLevel.TRACE) >= 0 ? NodePhase.WARM : NodePhase.READY;
    }

    /** Whole percent; a hundred only when nothing is missing. */
    private static int percent(NodeReport.Image held) {
        if (held.totalBytes() <= 0) {
            return 0;
        }
        long whole = 100 * held.cachedBytes() / held.totalBytes();
        return (int) Math.clamp(whole, 0, held.cachedBytes() < held.totalBytes() ? 99 : 100);
    }
}
