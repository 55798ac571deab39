package dev.thaw.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The machine that the figures are of. */
final class Machine {
    private Machine() {}

    static String describe() throws IOException {
        long memoryKibibytes = Files.readAllLines(Path.of("/proc/meminfo")).stream()
                .filter(line -> line.startsWith("MemTotal:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .sum();
        var processor = Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
                .filter(line -> line.startsWith("model name"))
                .map(line -> line.substring(line.indexOf(':') + 2))
                .findFirst()
                .orElse(System.getProperty("os.arch"));
        var kernel = Files.readString(Path.of("/proc/sys/kernel/osrelease")).strip();
        return "Machine: %d cores of %s, %d GiB of memory, Linux %s, Java %s."
                .formatted(
                        Runtime.getRuntime().availableProcessors(),
                        processor,
                        Math.round(memoryKibibytes / 1048576.0),
                        kernel.replaceAll("-.*", ""),
                        Runtime.version().feature());
    }
}
