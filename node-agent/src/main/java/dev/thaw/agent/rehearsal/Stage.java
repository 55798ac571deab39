package dev.thaw.agent.rehearsal;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/**
 * A folder for a rehearsal, which is gone when it is over.
 *
 * @param folder which is empty at first
 */
public record Stage(Path folder) implements AutoCloseable {
    /** Makes the folder; what an earlier rehearsal left there is deleted. */
    public static Stage at(Path folder) throws IOException {
        delete(folder);
        return new Stage(Files.createDirectories(folder));
    }

    /** Makes a folder of a new name below another. */
    public static Stage below(Path parent) throws IOException {
        Files.createDirectories(parent);
        return new Stage(Files.createTempDirectory(parent, "thaw-rehearsal"));
    }

    @Override
    public void close() throws IOException {
        delete(folder);
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure)
                    throws IOException {
                Files.delete(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
