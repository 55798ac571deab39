package dev.thaw.operator.node;

import dev.thaw.crds.LazyImage;
import java.time.Instant;

/**
 * What is known of the nodes.
 *
 * @param reports what their agents say of themselves
 * @param coldStarts what was measured on them
 * @param traces how images are read when they start there
 * @param warmups what they are to hold
 */
public record Nodes(NodeReports reports, ColdStarts coldStarts, Traces traces, Warmups warmups) {
    /** What they make of one image. */
    public ImageNodes of(LazyImage image, Instant now) {
        return ImageNodes.of(image, this, now);
    }

    /** Calls back when they may make something else of an image; must not block. */
    public void onChange(Runnable listener) {
        reports.onChange(listener);
        coldStarts.onChange(_ -> listener.run());
        traces.onChange(listener);
        warmups.onChange(listener);
    }
}
