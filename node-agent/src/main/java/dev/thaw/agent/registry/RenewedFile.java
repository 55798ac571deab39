package dev.thaw.agent.registry;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** What a file says that others write: read when it has changed. While it cannot be read, what it said last holds. */
final class RenewedFile<T> {
    private static final int MOST_BYTES = 4 << 20;

    private final Path path;
    private final Reading<T> reading;
    private final ReentrantLock lock = new ReentrantLock();
    private T content;
    private @Nullable Version seen;
    private @Nullable String problem;

    @FunctionalInterface
    interface Reading<T> {
        T read(byte[] content) throws IOException;
    }

    private record Version(
            FileTime modified, long bytes, @Nullable Object file) {}

    /** @param otherwise holds until the file has been read once */
    RenewedFile(Path path, Reading<T> reading, T otherwise) {
        this.path = path;
        this.reading = reading;
        content = otherwise;
    }

    T content() {
        lock.lock();
        try {
            var attributes = Files.readAttributes(path, BasicFileAttributes.class);
            var version = new Version(attributes.lastModifiedTime(), attributes.size(), attributes.fileKey());
            if (!version.equals(seen)) {
                seen = version;
                if (attributes.size() > MOST_BYTES) {
                    throw new IOException("it has %d bytes, which is more than is believable".formatted(version.bytes));
                }
                content = reading.read(Files.readAllBytes(path));
                problem = null;
            }
        } catch (NoSuchFileException e) {
            seen = null;
            problem = path + " is not there";
        } catch (IOException e) {
            problem = "%s cannot be read: %s".formatted(path, e.getMessage());
        } finally {
            lock.unlock();
        }
        return content;
    }

    /** Why the content may be out of date. */
    Optional<String> problem() {
        lock.lock();
        try {
            return Optional.ofNullable(problem);
        } finally {
            lock.unlock();
        }
    }
}
