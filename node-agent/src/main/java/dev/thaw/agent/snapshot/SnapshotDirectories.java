package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.StorageFailed;
import dev.thaw.agent.files.Folders;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the files of ordinary snapshots are.
 *
 * <pre>
 * &lt;root&gt;/&lt;id&gt;/fs        what the snapshot changed: an overlay's upper directory, later a lower one
 * &lt;root&gt;/&lt;id&gt;/work      the overlay's work directory; not in views
 * &lt;root&gt;/new-…          being made; put in place by a rename
 * &lt;root&gt;/removed-…      waits to be deleted
 * </pre>
 *
 * Whatever else is there after a crash belongs to no record and is deleted.
 */
final class SnapshotDirectories {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotDirectories.class);
    private static final String NEW = "new-";
    private static final String REMOVED = "removed-";

    private final Path root;
    private final AtomicLong number = new AtomicLong(System.nanoTime());
    private final Set<Path> unplaced = ConcurrentHashMap.newKeySet();
    private final ReentrantLock sweeping = new ReentrantLock();

    /** @param root made, with what is above it, if it is not there */
    SnapshotDirectories(Path root) throws StorageFailed {
        this.root = root.toAbsolutePath();
        try {
            Files.createDirectories(
                    this.root, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw failed(root, "cannot be made", e);
        }
    }

    Path files(long id) {
        return root.resolve(Long.toString(id)).resolve("fs");
    }

    Path work(long id) {
        return root.resolve(Long.toString(id)).resolve("work");
    }

    /** Who owns the top of a root file system. */
    record Owner(int uid, int gid) {
        static Owner of(Path directory) throws StorageFailed {
            try {
                return new Owner((int) Files.getAttribute(directory, "unix:uid", LinkOption.NOFOLLOW_LINKS), (int)
                        Files.getAttribute(directory, "unix:gid", LinkOption.NOFOLLOW_LINKS));
            } catch (IOException e) {
                throw failed(directory, "cannot be read", e);
            }
        }
    }

    /** Makes the directories of a snapshot whose id is not known yet. */
    Path make(Kind kind) throws StorageFailed {
        var fresh = root.resolve(NEW + number.incrementAndGet());
        unplaced.add(fresh);
        try {
            fill(fresh, kind);
            return fresh;
        } catch (IOException e) {
            discard(fresh);
            throw failed(fresh, "cannot be made", e);
        }
    }

    private static void fill(Path directory, Kind kind) throws IOException {
        makeWithMode(directory, "rwx------");
        makeWithMode(directory.resolve("fs"), "rwxr-xr-x");
        if (kind != Kind.VIEW) {
            makeWithMode(directory.resolve("work"), "rwx--x--x");
        }
    }

    /** The mode is set apart from the making because the umask would take bits off. */
    private static void makeWithMode(Path directory, String mode) throws IOException {
        Files.createDirectories(directory);
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString(mode));
    }

    static void own(Path fresh, Owner owner) throws StorageFailed {
        var files = fresh.resolve("fs");
        try {
            // Changing to the same owner is not allowed to others than root either.
            if (!Owner.of(files).equals(owner)) {
                Files.setAttribute(files, "unix:uid", owner.uid(), LinkOption.NOFOLLOW_LINKS);
                Files.setAttribute(files, "unix:gid", owner.gid(), LinkOption.NOFOLLOW_LINKS);
            }
        } catch (IOException e) {
            throw failed(files, "cannot be given to " + owner, e);
        }
    }

    /** Puts what {@link #make} made where it belongs. */
    void place(Path fresh, long id) throws StorageFailed {
        var directory = root.resolve(Long.toString(id));
        if (Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
            // Of a record that was never kept: its number was given again, its directory had been placed already.
            retire(directory);
        }
        try {
            Files.move(fresh, directory, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw failed(fresh, "cannot be renamed to " + id, e);
        }
    }

    /** To be called for whatever {@link #make} gave, once its record is written. */
    void placed(Path fresh) {
        unplaced.remove(fresh);
    }

    /** Takes back what {@link #make} gave, when no record came of it. */
    void discard(Path fresh) {
        try {
            delete(fresh);
        } catch (IOException e) {
            LOG.warn("{} is left behind until the next cleanup: {}", fresh, e.toString());
        } finally {
            unplaced.remove(fresh);
        }
    }

    /** Puts the directory of a snapshot without record out of the way, in the time of a rename. */
    void retire(long id) {
        retire(root.resolve(Long.toString(id)));
    }

    private void retire(Path directory) {
        try {
            Files.move(
                    directory,
                    root.resolve(REMOVED + directory.getFileName() + "-" + number.incrementAndGet()),
                    StandardCopyOption.ATOMIC_MOVE);
        } catch (NoSuchFileException e) {
            // Claimed layers have none; and a cleanup may have been faster.
        } catch (IOException e) {
            LOG.warn("{} is left behind until the next cleanup: {}", directory, e.toString());
        }
    }

    /** Puts out of the way whatever belongs to none of the snapshots {@code ids}. None may be made meanwhile. */
    void retireAllBut(Set<Long> ids) throws StorageFailed {
        for (var entry : entries()) {
            var name = entry.getFileName().toString();
            if (!name.startsWith(REMOVED) && !unplaced.contains(entry) && !isOneOf(name, ids)) {
                retire(entry);
            }
        }
    }

    private static boolean isOneOf(String name, Set<Long> ids) {
        try {
            return ids.contains(Long.parseLong(name));
        } catch (NumberFormatException e) {
            return false;
        }
    }

    /** Makes the directories of a snapshot anew where they are missing. Returns whether anything was missing. */
    boolean repair(long id, Kind kind) throws StorageFailed {
        if (Files.isDirectory(files(id)) && (kind == Kind.VIEW || Files.isDirectory(work(id)))) {
            return false;
        }
        try {
            fill(root.resolve(Long.toString(id)), kind);
            return true;
        } catch (IOException e) {
            throw failed(files(id), "cannot be made anew", e);
        }
    }

    /** Deletes what was put out of the way. May take long. */
    void sweep() throws StorageFailed {
        sweeping.lock();
        try {
            for (var entry : entries()) {
                if (entry.getFileName().toString().startsWith(REMOVED)) {
                    try {
                        delete(entry);
                    } catch (IOException e) {
                        LOG.warn("{} is left behind until the next cleanup: {}", entry, e.toString());
                    }
                }
            }
        } finally {
            sweeping.unlock();
        }
    }

    private List<Path> entries() throws StorageFailed {
        var entries = new ArrayList<Path>();
        try (var stream = Files.newDirectoryStream(root)) {
            stream.forEach(entries::add);
        } catch (IOException e) {
            throw failed(root, "cannot be listed", e);
        }
        return entries;
    }

    private static void delete(Path directory) throws IOException {
        try {
            Folders.delete(directory);
        } catch (NoSuchFileException e) {
            if (Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
                throw e;
            }
        }
    }

    private static StorageFailed failed(Path path, String message, IOException e) {
        var reason = e instanceof FileSystemException system && system.getReason() != null
                ? system.getReason()
                : e.toString();
        return new StorageFailed(path, message + ": " + reason, isFull(reason), e);
    }

    /** {@code java.nio.file} has no errno, only strerror's text, which glibc does not translate without setlocale(3). */
    private static boolean isFull(String reason) {
        var lower = reason.toLowerCase(Locale.ROOT);
        return lower.contains("no space left") || lower.contains("quota exceeded");
    }

    /** @throws AgentException if the files of a snapshot cannot be measured */
    Usage usage(long id) throws AgentException {
        try {
            return DiskUsage.of(files(id));
        } catch (IOException e) {
            throw failed(files(id), "cannot be measured", e);
        }
    }
}
