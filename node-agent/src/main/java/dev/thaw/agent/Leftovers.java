package dev.thaw.agent;

import dev.thaw.agent.config.AgentSettings;
import dev.thaw.agent.files.Folders;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.agent.snapshot.SnapshotRecords;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What an agent that is gone leaves on the node's disk, and what of it can go.
 *
 * <p>The chunk cache always goes: it can be fetched again, and a running container whose files the kernel reads keeps them
 * until it ends. Snapshots, their records and the images that they name stay while there is any record: containerd remembers
 * its snapshots, also while it does not know the snapshotter, and an agent that is installed again must know them too.
 */
final class Leftovers {
    private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);

    private final AgentSettings settings;

    Leftovers(AgentSettings settings) {
        this.settings = settings;
    }

    /** Clears the agent's root; does nothing while an agent serves there. What cannot be cleared is logged and stays. */
    void clear() {
        var root = settings.root();
        if (!Files.isDirectory(root)) {
            return;
        }
        if (isServed()) {
            LOG.warn("an agent serves on {}: its files in {} stay", settings.socket(), root);
            return;
        }
        try {
            clear(root);
        } catch (IOException | AgentException e) {
            LOG.warn("{} cannot be cleared, which hurts nothing but takes space: {}", root, e.getMessage());
        }
    }

    private void clear(Path root) throws IOException, AgentException {
        for (var name : List.of("mounts", "detached", "devices")) {
            var mounts = root.resolve(name);
            // Out of sight: containers keep what they stand on.
            Mounts.detachAll(mounts);
            if (Files.isDirectory(mounts)) {
                try (var points = Files.newDirectoryStream(mounts)) {
                    points.forEach(Leftovers::deleteIfEmpty);
                }
                deleteIfEmpty(mounts);
            }
        }
        deleteChunks(settings.cache().path());
        for (var file : List.of("devices.json", "images.pb")) {
            Files.deleteIfExists(root.resolve(file));
        }
        Folders.delete(root.resolve("cold-starts"));
        long snapshots = snapshots(root.resolve("records.db"));
        if (snapshots > 0) {
            LOG.warn(
                    "{} snapshots stay in {}, since containerd remembers them; to be rid of them, install again, remove their images (crictl rmi), and uninstall",
                    snapshots,
                    root);
            return;
        }
        for (var file : List.of("records.db", "records.db-wal", "records.db-shm")) {
            Files.deleteIfExists(root.resolve(file));
        }
        Folders.delete(root.resolve("snapshots"));
        Folders.delete(root.resolve("images"));
        deleteIfEmpty(root);
        LOG.info("nothing of the agent is left in {}", root);
    }

    private boolean isServed() {
        if (!Files.exists(settings.socket())) {
            return false;
        }
        try (var agent = SocketChannel.open(UnixDomainSocketAddress.of(settings.socket()))) {
            return agent.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    private static long snapshots(Path file) throws IOException, AgentException {
        if (!Files.exists(file)) {
            return 0;
        }
        try (var records = SnapshotRecords.open(file)) {
            return records.count();
        }
    }

    /** Only what is ours: somebody may have put the cache into a folder of other things. */
    private static void deleteChunks(Path cache) throws IOException {
        if (!Files.isDirectory(cache)) {
            return;
        }
        try (var files = Files.newDirectoryStream(cache, "*.{data,present,try}")) {
            for (var file : files) {
                Files.delete(file);
            }
        }
        deleteIfEmpty(cache);
    }

    /** A folder that is not empty, or a mount point of the container that this runs in, stays. */
    private static void deleteIfEmpty(Path directory) {
        try {
            Files.delete(directory);
        } catch (IOException e) {
            LOG.debug("{} stays: {}", directory, e.getMessage());
        }
    }
}
