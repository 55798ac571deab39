package dev.thaw.demo;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The folder in which everything happens. When it goes, it takes along what is mounted in it. */
final class Workplace implements AutoCloseable {
    /** Neither holds an overlay's upper folder and sparse files at the same time. */
    private static final Set<String> UNFIT = Set.of("tmpfs", "ramfs", "overlay", "overlayfs");

    private final Path folder;

    /** Makes a folder on a real disk, where there is one. */
    Workplace() throws IOException {
        var places = Stream.of("/var/tmp", System.getProperty("java.io.tmpdir"), System.getProperty("user.home"))
                .map(Path::of)
                .filter(Files::isWritable)
                .toList();
        folder = Files.createTempDirectory(best(places), "thaw-demo-");
    }

    private static Path best(List<Path> places) throws IOException {
        for (var place : places) {
            if (!UNFIT.contains(Files.getFileStore(place).type())) {
                return place;
            }
        }
        return places.isEmpty() ? Path.of("/tmp") : places.getFirst();
    }

    Path path(String name) {
        return folder.resolve(name);
    }

    Path folder(String name) throws IOException {
        return Files.createDirectories(folder.resolve(name));
    }

    /** What the folder's file system is. */
    String fileSystem() throws IOException {
        return Files.getFileStore(folder).type();
    }

    @Override
    public void close() throws IOException {
        for (var mount : mounts().reversed()) {
            Child.run(List.of("umount", "--lazy", mount));
        }
        if (!mounts().isEmpty()) {
            throw new IOException("something is still mounted in " + folder + ", which therefore stays");
        }
        delete();
    }

    /** Mount points in the folder, in the order in which they were mounted. */
    private List<String> mounts() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/mountinfo")).stream()
                .map(line -> line.split(" ", 6)[4])
                .filter(point -> Path.of(point).startsWith(folder))
                .toList();
    }

    private void delete() throws IOException {
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.deleteIfExists(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure)
                    throws IOException {
                Files.deleteIfExists(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
