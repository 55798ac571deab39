package dev.thaw.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Where the programs are that the benchmark starts: a few folders, looked through in order. */
public record Programs(List<Path> folders) {
    /** The folders of PATH, behind others. */
    public static Programs behind(List<Path> first) {
        var path = Stream.of(System.getenv().getOrDefault("PATH", "").split(":", -1))
                .filter(folder -> !folder.isEmpty())
                .map(Path::of);
        return new Programs(Stream.concat(first.stream(), path).toList());
    }

    /** A program, if it is in one of the folders. */
    public Optional<Path> find(String program) {
        return folders.stream()
                .map(folder -> folder.resolve(program))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /** Which of some programs is not here. */
    Optional<String> missing(String... programs) {
        return Stream.of(programs)
                .filter(program -> find(program).isEmpty())
                .findFirst()
                .map(program -> program + " is not installed");
    }

    String path(String program) {
        return find(program)
                .orElseThrow(() -> new IllegalStateException(program + " is not installed"))
                .toString();
    }

    /** The value of PATH with which all of them find each other. */
    String searchPath() {
        return String.join(":", folders.stream().map(Path::toString).toList());
    }
}
