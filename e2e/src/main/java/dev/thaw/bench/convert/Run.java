package dev.thaw.bench.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * One run of a program, from its start to its end.
 *
 * @param time by the clock
 * @param processor time of all its threads, in user space and kernel
 * @param peakBytes the most memory that was resident at a time
 */
record Run(Duration time, Duration processor, long peakBytes) {
    private static final long SAMPLE_MILLIS = 10;
    private static final int SHOWN_BYTES = 2000;
    /** {@code USER_HZ}, the unit of /proc/PID/stat; 100 on every Linux. */
    private static final long TICK_MILLIS = 10;

    /**
     * Runs a program, which must succeed. What it says goes into a log.
     *
     * @throws IOException if it fails; the message holds the end of the log
     */
    static Run of(List<String> command, Path log) throws IOException, InterruptedException {
        var builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(log.toFile());
        var began = System.nanoTime();
        var process = builder.start();
        var seen = new Seen(process.pid());
        try {
            while (!process.waitFor(Duration.ofMillis(SAMPLE_MILLIS))) {
                seen.look();
            }
        } finally {
            process.destroyForcibly();
        }
        var time = Duration.ofNanos(System.nanoTime() - began);
        if (process.exitValue() != 0) {
            var said = Files.readString(log);
            throw new IOException("%s ended with %d: %s"
                    .formatted(
                            String.join(" ", command),
                            process.exitValue(),
                            said.substring(Math.max(0, said.length() - SHOWN_BYTES))));
        }
        return new Run(time, Duration.ofMillis(seen.processorMillis), seen.peakBytes);
    }

    /** What the kernel tells of a process as long as it lives: both figures only grow. */
    private static final class Seen {
        private final Path folder;
        private long peakBytes;
        private long processorMillis;

        Seen(long processId) {
            this.folder = Path.of("/proc", Long.toString(processId));
        }

        void look() {
            try {
                for (var line : Files.readAllLines(folder.resolve("status"))) {
                    if (line.startsWith("VmHWM:")) {
                        peakBytes = Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
                    }
                }
                var stat = Files.readString(folder.resolve("stat"));
                var fields = stat.substring(stat.lastIndexOf(')') + 2).split(" "); // from the third field on
                processorMillis = (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * TICK_MILLIS;
            } catch (IOException | RuntimeException e) {
                // It has just ended; what was seen last stands.
            }
        }
    }
}
