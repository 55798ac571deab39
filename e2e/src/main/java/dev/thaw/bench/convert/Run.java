package dev.thaw.bench.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * One run of a program, from its start to its end, with the programs that it starts itself.
 *
 * @param time by the clock
 * @param processor time of all its threads, in user space and kernel
 * @param peakBytes the most memory that one of them had resident at a time
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
        var seen = new Seen(process.toHandle());
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

    /** What the kernel tells of a process and those below it as long as they live: all figures only grow. */
    private static final class Seen {
        private final ProcessHandle process;
        private long peakBytes;
        private long processorMillis;

        Seen(ProcessHandle process) {
            this.process = process;
        }

        void look() {
            var ticks = look(process);
            for (var child : process.descendants().toList()) {
                ticks += look(child);
            }
            processorMillis = Math.max(processorMillis, ticks * TICK_MILLIS);
        }

        /** Notes the memory of one process, and returns the time that it and its children that ended have taken. */
        private long look(ProcessHandle one) {
            var folder = Path.of("/proc", Long.toString(one.pid()));
            try {
                for (var line : Files.readAllLines(folder.resolve("status"))) {
                    if (line.startsWith("VmHWM:")) {
                        peakBytes = Math.max(peakBytes, Long.parseLong(line.replaceAll("[^0-9]", "")) << 10);
                    }
                }
                var stat = Files.readString(folder.resolve("stat"));
                var fields = stat.substring(stat.lastIndexOf(')') + 2).split(" "); // from the third field on
                return Arrays.stream(fields, 11, 15).mapToLong(Long::parseLong).sum();
            } catch (IOException | RuntimeException e) {
                return 0; // It has just ended; what was seen last stands.
            }
        }
    }
}
