package dev.thaw.agent.install;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What `install` did to which file, kept in the agent's root so that `uninstall` can undo it after any time. Written
 * before the file is touched.
 *
 * @param existed the file was there before
 * @param installedDigest sha256 of the file as `install` left it: as long as it is this, the original is put back whole
 */
record InstallRecord(String file, boolean existed, String installedDigest) {
    private static final ObjectMapper JSON = new ObjectMapper();

    static Optional<InstallRecord> load(Path directory) throws IOException {
        var file = directory.resolve("containerd.json");
        return Files.exists(file) ? Optional.of(JSON.readValue(file.toFile(), InstallRecord.class)) : Optional.empty();
    }

    void save(Path directory, byte[] original) throws IOException {
        Files.createDirectories(directory);
        DurableFile.replace(original(directory), original);
        DurableFile.replace(directory.resolve("containerd.json"), JSON.writeValueAsBytes(this));
    }

    static byte[] loadOriginal(Path directory) throws IOException {
        return Files.readAllBytes(original(directory));
    }

    static void forget(Path directory) throws IOException {
        Files.deleteIfExists(directory.resolve("containerd.json"));
        Files.deleteIfExists(original(directory));
        Files.deleteIfExists(directory);
    }

    private static Path original(Path directory) {
        return directory.resolve("containerd.original");
    }
}
