package dev.thaw.demo;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The jars of one of Thaw's programs, as its image has them: those that it needs, and no others.
 *
 * @param folder where they lie
 * @param files the program's own first
 */
public record ProgramJars(Path folder, List<Path> files) {
    /** Those of the module of this name, whose jar is on this program's own class path. */
    public static ProgramJars of(String module) throws IOException {
        var own = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(Path::of)
                .filter(path -> path.getFileName().toString().matches(module + "-[0-9].*\\.jar"))
                .findFirst()
                .orElseThrow(() -> new IOException(module + " is not on the class path as a jar"))
                .toAbsolutePath();
        var folder = Objects.requireNonNull(own.getParent());
        var files = new ArrayList<>(List.of(own));
        try (var jar = new JarFile(own.toFile())) {
            for (var name :
                    jar.getManifest().getMainAttributes().getValue("Class-Path").split(" ", -1)) {
                files.add(folder.resolve(name));
            }
        }
        return new ProgramJars(folder, List.copyOf(files));
    }

    /** What a JVM is started with. */
    public String classPath() {
        return files.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator));
    }

    /** A resource of the program's own jar. */
    public byte[] resource(String name) throws IOException {
        try (var jar = new JarFile(files.getFirst().toFile());
                var in = jar.getInputStream(jar.getJarEntry(name))) {
            return in.readAllBytes();
        }
    }
}
