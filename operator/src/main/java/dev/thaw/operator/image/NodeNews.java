package dev.thaw.operator.image;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.operator.node.Nodes;
import io.javaoperatorsdk.operator.api.reconciler.IndexedResourceCache;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.inbound.SimpleInboundEventSource;
import java.time.Clock;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has those LazyImages reconciled of which the nodes now say something else than their status. Nodes talk all the time, so
 * this looks at most once in the pause: a status is written that often and not with each report.
 */
final class NodeNews extends SimpleInboundEventSource<LazyImage> {
    private static final Logger LOG = LoggerFactory.getLogger(NodeNews.class);

    private final IndexedResourceCache<LazyImage> images;
    private final Nodes nodes;
    private final Clock clock;
    private final Duration pause;
    private final AtomicBoolean something = new AtomicBoolean();
    private @Nullable ScheduledExecutorService timer;

    NodeNews(IndexedResourceCache<LazyImage> images, Nodes nodes, Clock clock, Duration pause) {
        super("node-news");
        this.images = images;
        this.nodes = nodes;
        this.clock = clock;
        this.pause = pause;
    }

    @Override
    public void start() {
        super.start();
        nodes.onChange(() -> something.set(true));
        timer = Executors.newSingleThreadScheduledExecutor(
                Thread.ofVirtual().name("node-news").factory());
        var _ = timer.scheduleWithFixedDelay(this::look, pause.toMillis(), pause.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public void stop() {
        if (timer != null) {
            timer.shutdownNow();
        }
        super.stop();
    }

    private void look() {
        if (!something.getAndSet(false)) {
            return;
        }
        try {
            images.list(this::differs).map(ResourceID::fromResource).forEach(this::propagateEvent);
        } catch (RuntimeException e) {
            LOG.warn("What the nodes report could not be compared with the lazy images", e);
        }
    }

    private boolean differs(LazyImage image) {
        var status = image.getStatus() == null ? LazyImageStatus.EMPTY : image.getStatus();
        var now = nodes.of(image, clock.instant());
        return !Objects.equals(now.totals(), status.nodeTotals())
                || !now.rows().equals(status.nodes())
                || !Objects.equals(now.coldStart(), status.coldStart())
                || !Objects.equals(now.prefetch(), status.prefetch())
                || !WarmCondition.isSaid(image, now.warmth(), status);
    }
}
