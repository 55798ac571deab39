package dev.thaw.agent.install;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;

/** Replaces a file whole: a crash leaves the old one or the new one, never a part. */
final class DurableFile {
    private DurableFile() {}

    /** Writes the content, with the mode and owner of the file that it replaces; 0600 where there was none. */
    static void replace(Path file, byte[] content) throws IOException {
        var target = Files.exists(file) ? file.toRealPath() : file;
        var part = target.resolveSibling(target.getFileName() + ".thaw-part");
        Files.deleteIfExists(part);
        try {
            Files.createFile(part, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            if (Files.exists(target)) {
                var old = Files.readAttributes(target, PosixFileAttributes.class);
                Files.setAttribute(part, "posix:owner", old.owner());
                Files.setAttribute(part, "posix:group", old.group());
                Files.setPosixFilePermissions(part, old.permissions());
            }
            write(part, content, StandardOpenOption.WRITE);
            try {
                Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } catch (FileSystemException busy) {
                // the file is a mount of its own, as a bind mount of a single file is: it cannot be replaced, only
                // rewritten
                write(target, content, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
            }
            sync(target.toAbsolutePath().resolveSibling("."));
        } finally {
            Files.deleteIfExists(part);
        }
    }

    private static void write(Path file, byte[] content, StandardOpenOption... options) throws IOException {
        try (var channel = FileChannel.open(file, options)) {
            var buffer = ByteBuffer.wrap(content);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
            channel.force(true);
        }
    }

    private static void sync(Path directory) throws IOException {
        try (var channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
