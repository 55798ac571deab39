package dev.thaw.bench;

import org.jspecify.annotations.Nullable;

/**
 * One start on a node that had never seen the image. Times are seconds since the pull began, on one clock.
 *
 * @param failure what hindered it; then everything after it is without meaning
 * @param pulled the pull returned
 * @param created the container was created
 * @param entrypoint containerd said that the container's process was started
 * @param firstOutput its first byte of output came to containerd
 * @param ready it answered HTTP with 200
 * @param answer what the process said that it had read
 * @param aftermath what came after; null where that was not waited for
 */
record Sample(
        String system,
        String workload,
        String link,
        int run,
        @Nullable String failure,
        double pulled,
        double created,
        double entrypoint,
        double firstOutput,
        double ready,
        Traffic atEntrypoint,
        Traffic atReady,
        String answer,
        @Nullable Aftermath aftermath) {
    /**
     * What the node did once the process was ready, and what all of it cost.
     *
     * @param quiet the last byte came from the registry, before it was silent for a while: in seconds since the pull began
     * @param residentBytes the most that the snapshotter's daemons had in memory
     * @param snapshotterCpu seconds that those have used when the link was quiet
     * @param nodeCpu the same with containerd
     * @param secondStart from creation to ready once more, with nothing but the page cache dropped
     * @param cutStart the same with the registry out of reach; null if that failed
     * @param cutFailure why
     */
    record Aftermath(
            double quiet,
            Traffic atQuiet,
            long residentBytes,
            double snapshotterCpu,
            double nodeCpu,
            double secondStart,
            @Nullable Double cutStart,
            @Nullable String cutFailure) {}

    static Sample failed(String system, String workload, String link, int run, String failure) {
        var none = new Traffic(0, 0);
        return new Sample(system, workload, link, run, failure, 0, 0, 0, 0, 0, none, none, "", null);
    }

    boolean succeeded() {
        return failure == null;
    }
}
