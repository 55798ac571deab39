package dev.thaw.agent.rehearsal;

import dev.thaw.agent.files.Folders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A folder for a rehearsal, which is gone when it is over.
 *
 * @param folder which is empty at first
 */
public record Stage(Path folder) implements AutoCloseable {
    /** Makes the folder; what an earlier rehearsal left there is deleted. */
    public static Stage at(Path folder) throws IOException {
        Folders.delete(folder);
        return new Stage(Files.createDirectories(folder));
    }

    /** Makes a folder of a new name below another. */
    public static Stage below(Path parent) throws IOException {
        Files.createDirectories(parent);
        return new Stage(Files.createTempDirectory(parent, "thaw-rehearsal"));
    }

    @Override
    public void close() throws IOException {
        Folders.delete(folder);
    }
}
