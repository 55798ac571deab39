package dev.thaw.bench;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The middle and the bad end of a few measurements. */
record Figures(double median, double worst) {
    /** The worst is the 95th percentile, which of fewer than twenty samples is the largest. */
    static <T> Figures of(List<T> samples, ToDoubleFunction<T> figure) {
        var sorted = samples.stream().mapToDouble(figure).sorted().toArray();
        int middle = sorted.length / 2;
        double median = sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Figures(median, sorted[Math.min(sorted.length - 1, (int) Math.ceil(sorted.length * 0.95) - 1)]);
    }

    /** As a cell of a table. */
    String seconds() {
        return String.format(Locale.ROOT, "%.2f (%.2f)", median, worst);
    }

    static String seconds(double seconds) {
        return String.format(Locale.ROOT, "%.2f", seconds);
    }

    static String megabytes(double bytes) {
        return String.format(Locale.ROOT, bytes < 1e8 ? "%.1f" : "%.0f", bytes / 1e6);
    }
}
