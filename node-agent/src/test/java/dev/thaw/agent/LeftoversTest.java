package dev.thaw.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.agent.config.AgentSettings;
import dev.thaw.agent.snapshot.FakeLazyImages;
import dev.thaw.agent.snapshot.SnapshotRecords;
import dev.thaw.agent.snapshot.SnapshotSettings;
import dev.thaw.agent.snapshot.SnapshotWatcher;
import dev.thaw.agent.snapshot.Snapshots;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LeftoversTest {
    @TempDir
    Path temp;

    private Path root;
    private AgentSettings settings;

    @BeforeEach
    void anAgentHasRun() throws Exception {
        root = temp.resolve("thaw");
        var file = temp.resolve("agent.yaml");
        Files.writeString(file, "root: %1$s/thaw\nsocket: %1$s/agent.sock\n".formatted(temp));
        settings = AgentSettings.load(file);
        for (var directory :
                new String[] {"mounts/abc", "detached/abc", "devices", "cold-starts", "images/abc", "cache"}) {
            Files.createDirectories(root.resolve(directory));
        }
        for (var content : new String[] {
            "images/abc/image.boot", "cold-starts/1", "devices.json", "images.pb", "cache/abc.data", "cache/abc.present"
        }) {
            Files.writeString(root.resolve(content), "content");
        }
        records(false);
    }

    /** What the snapshotter leaves, with or without a snapshot. */
    private void records(boolean used) throws Exception {
        try (var records = SnapshotRecords.open(root.resolve("records.db"));
                var snapshots = new Snapshots(
                        SnapshotSettings.in(root.resolve("snapshots")),
                        records,
                        new FakeLazyImages(temp.resolve("fake")),
                        SnapshotWatcher.NONE,
                        Clock.systemUTC())) {
            if (used) {
                snapshots.prepare("container", "", Map.of());
            }
        }
    }

    @Test
    void nothingStaysOfAnAgentWithoutSnapshots() {
        new Leftovers(settings).clear();

        assertThat(root).doesNotExist();
    }

    @Test
    void whatContainerdRemembersStaysAndTheCacheGoes() throws Exception {
        records(true);

        new Leftovers(settings).clear();

        assertThat(root.resolve("records.db")).exists();
        assertThat(root.resolve("images/abc/image.boot")).exists();
        assertThat(root.resolve("snapshots")).isNotEmptyDirectory();
        for (var gone : new String[] {"mounts", "detached", "devices", "cold-starts", "devices.json", "cache"}) {
            assertThat(root.resolve(gone)).doesNotExist();
        }
    }

    @Test
    void whatIsNotOursInTheCachesFolderStays() throws IOException {
        Files.writeString(root.resolve("cache/notes.txt"), "mine");

        new Leftovers(settings).clear();

        assertThat(root.resolve("cache")).isDirectoryContaining("glob:**/notes.txt");
        try (var left = Files.list(root.resolve("cache"))) {
            assertThat(left).hasSize(1);
        }
    }

    @Test
    void everythingStaysWhileAnAgentServes() throws IOException {
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(settings.socket()));

            new Leftovers(settings).clear();

            assertThat(root.resolve("cache/abc.data")).exists();
            assertThat(root.resolve("records.db")).exists();
        }
    }

    @Test
    void aSocketThatNobodyServesIsNoAgent() throws IOException {
        Files.createFile(settings.socket());

        new Leftovers(settings).clear();

        assertThat(root).doesNotExist();
    }
}
