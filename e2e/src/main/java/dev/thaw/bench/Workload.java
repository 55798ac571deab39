package dev.thaw.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/**
 * An image and what its container is told to do. Its process answers HTTP on {@link #PORT} once it is ready, with the
 * SHA-256 of all that it was to read: so an answer also proves what was read.
 *
 * @param name for people
 * @param image its name in the registry, and of the layout that e2e/bench/workload makes of it
 * @param arguments of the container's program
 */
record Workload(String name, String image, List<String> arguments) {
    static final int PORT = 8000;

    static final List<Workload> ALL = List.of(
            new Workload("http", "http", List.of()),
            new Workload("numpy", "numpy", List.of()),
            new Workload("torch", "torch", List.of()),
            new Workload("vllm", "vllm", List.of()),
            synthetic(200, 5),
            synthetic(200, 100),
            synthetic(1000, 1),
            synthetic(1000, 5),
            synthetic(1000, 25),
            synthetic(1000, 80),
            synthetic(1000, 100),
            synthetic(5000, 1),
            synthetic(20_000, 1));

    private static Workload synthetic(int megabytes, int percent) {
        var image = "synthetic-" + megabytes;
        return new Workload(image + "-" + percent, image, List.of(Integer.toString(percent)));
    }

    /** Of a synthetic image, how many percent of it are read. */
    OptionalInt percentRead() {
        return arguments.isEmpty() ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(arguments.getFirst()));
    }

    /** What its process must answer, as it was found out where the image was made. */
    String answer(Path layouts) throws IOException {
        var name = arguments.isEmpty() ? "answer" : "answer." + String.join(".", arguments);
        return Files.readString(layouts.resolve(image).resolve(name)).strip();
    }
}
