package dev.thaw.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;

/** What the programs said last, when something went wrong: their logs go with the folder. */
final class LastLines {
    private static final int SHOWN = 12;

    private LastLines() {}

    static void print(Workplace place) throws IOException {
        for (var name : List.of("demo.log", "agent.log", "holder.log", "containerd.log")) {
            var log = place.path(name);
            if (Files.exists(log) && Files.size(log) > 0) {
                var lines = Files.readAllLines(log);
                System.err.println("demo: the end of " + name + ":");
                lines.subList(Math.max(0, lines.size() - SHOWN), lines.size())
                        .forEach(line -> System.err.println("  " + line));
            }
        }
    }
}
