package dev.thaw.bench;

import dev.thaw.bench.Reading.Took;
import dev.thaw.demo.Child;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A reading in a process of its own. A thread that waits for a page of a mapped file stops its whole JVM as soon as that wants to
 * collect garbage, and if the page comes over a line in the same JVM, nothing goes on.
 */
final class ReadAside {
    private ReadAside() {}

    static Took take(Reading reading, Path file, int most, long seed) throws IOException {
        var said = Child.run(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ReadAside.class.getName(),
                        reading.name(),
                        file.toString(),
                        Integer.toString(most),
                        Long.toString(seed)))
                .lines()
                .toList()
                .getLast() // a JVM may have said something before
                .split(" ", -1);
        return new Took(Double.parseDouble(said[0]), Long.parseLong(said[1]));
    }

    /** @param arguments of {@link Reading#take}, behind the reading's name */
    public static void main(String[] arguments) throws IOException {
        var took = Reading.valueOf(arguments[0])
                .take(Path.of(arguments[1]), Integer.parseInt(arguments[2]), Long.parseLong(arguments[3]));
        System.out.println(took.seconds() + " " + took.sum());
    }
}
