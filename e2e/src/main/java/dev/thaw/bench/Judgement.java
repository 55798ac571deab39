package dev.thaw.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What is wrong with samples, whatever time they took: what was read, and what went over the link for it. */
final class Judgement {
    private final Path layouts;
    private final Map<String, Long> layerBytes;

    /**
     * @param layouts where the answers of the workloads lie
     * @param layerBytes by workload, how large its image is in the registry
     */
    Judgement(Path layouts, Map<String, Long> layerBytes) {
        this.layouts = layouts;
        this.layerBytes = layerBytes;
    }

    /** One sentence each. Peers that fail are a result, not a fault: it stands in the tables. */
    List<String> faults(List<Sample> samples) throws IOException {
        var faults = new ArrayList<String>();
        for (var sample : samples) {
            var what = "%s, %s, %s: ".formatted(sample.system(), sample.workload(), sample.link());
            boolean ours = sample.system().startsWith("Thaw");
            boolean plain = sample.system().equals("overlayfs");
            if (!sample.succeeded()) {
                if (ours || plain) {
                    faults.add(what + sample.failure());
                }
                continue;
            }
            var expected = expected(sample.workload());
            if (!sample.answer().equals(expected)) {
                faults.add(what + "read " + sample.answer() + ", not " + expected);
            }
            long image = layerBytes.getOrDefault(sample.workload(), 0L);
            if (plain && sample.atReady().bytes() < image) {
                faults.add(what
                        + "%d bytes came over the link, less than the layers' %d"
                                .formatted(sample.atReady().bytes(), image));
            }
            if (ours && sample.atEntrypoint().bytes() > Math.max(image / 2, 30_000_000)) {
                faults.add(what
                        + "%d bytes of an image of %d were fetched before the process started"
                                .formatted(sample.atEntrypoint().bytes(), image));
            }
            var aftermath = sample.aftermath();
            if (ours && aftermath != null && aftermath.atQuiet().bytes() > 2 * image + 20_000_000) {
                faults.add(what
                        + "%d bytes were fetched of an image of %d"
                                .formatted(aftermath.atQuiet().bytes(), image));
            }
            if (ours && aftermath != null && aftermath.cutStart() == null) {
                faults.add(what + "did not start again without the registry: " + aftermath.cutFailure());
            }
        }
        return faults;
    }

    private String expected(String workload) throws IOException {
        return Workload.ALL.stream()
                .filter(each -> each.name().equals(workload))
                .findFirst()
                .orElseThrow(() -> new IOException("there is no workload " + workload))
                .answer(layouts);
    }
}
