package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.agent.mount.Holder;
import dev.thaw.oci.FakeRegistry;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Agents that are killed while a container reads: the reader must not notice. */
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class TakeoverIT {
    private static final int KILLS = 3;

    @TempDir
    Path temp;

    private final FakeRegistry registry = FakeRegistry.start();
    private final List<Process> agents = new ArrayList<>();
    private Holder holder;
    private SampleImage image;

    @BeforeEach
    void start() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "mounting needs root");
        assumeTrue(Files.exists(Path.of("/dev/fuse")), "there is no /dev/fuse");
        image = SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.NEVER, List.of());
        startHolder();
    }

    private void startHolder() throws IOException {
        var started = Holder.listen(temp.resolve("holder.sock"));
        holder = started;
        Thread.ofPlatform().daemon().start(() -> {
            try {
                started.run();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    @AfterEach
    void unmountEverything() throws Exception {
        agents.forEach(Process::destroyForcibly);
        for (var agent : agents) {
            agent.waitFor();
        }
        if (holder != null) {
            // With the last descriptor the session ends, and nothing hangs.
            holder.close();
        }
        registry.close();
        Mounts.detachAll(temp);
        assertThat(MountTable.read().below(temp)).isEmpty();
    }

    @Test
    void aReaderSeesNoErrorWhenAgentsAreKilled() throws Exception {
        var root = startAgent();
        var wanted = MountedTree.sha256(image.tree().get("data/big").content());
        var stop = new AtomicBoolean();
        var rounds = new AtomicInteger();
        try (var reader = Executors.newSingleThreadExecutor()) {
            var reading = reader.submit(() -> {
                while (!stop.get()) {
                    dropCaches();
                    assertThat(MountedTree.sha256(Files.readAllBytes(root.resolve("data/big"))))
                            .isEqualTo(wanted);
                    rounds.incrementAndGet();
                }
                return true;
            });
            awaitMore(rounds);
            for (int kill = 0; kill < KILLS; kill++) {
                agents.getLast().destroyForcibly().waitFor();
                assertThat(startAgent()).isEqualTo(root);
                awaitMore(rounds);
            }
            stop.set(true);
            assertThat(reading.get()).isTrue();
        }
        MountedTree.assertEquals(root, image);
    }

    @Test
    void anOrderlyEndLeavesTheMountToTheNextAgent() throws Exception {
        var root = startAgent();
        agents.getLast().destroy();
        assertThat(agents.getLast().waitFor()).isEqualTo(143);
        assertThat(MountTable.read().at(root)).isPresent();

        assertThat(startAgent()).isEqualTo(root);
        MountedTree.assertEquals(root, image);
    }

    @Test
    void aHolderThatStartsAgainIsGivenTheMountAgain() throws Exception {
        var root = startAgent();
        holder.close();
        startHolder();
        // The agent looks every few seconds.
        Thread.sleep(7_000);
        agents.getLast().destroyForcibly().waitFor();
        var reading = new FutureTask<>(() -> Files.readAllBytes(root.resolve("data/big")));
        Thread.ofPlatform().daemon().start(reading);

        assertThat(startAgent()).isEqualTo(root);

        assertThat(reading.get()).isEqualTo(image.tree().get("data/big").content());
    }

    private static void awaitMore(AtomicInteger rounds) throws InterruptedException {
        int seen = rounds.get();
        while (rounds.get() < seen + 2) {
            Thread.sleep(20);
        }
    }

    private static void dropCaches() throws IOException {
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "1");
    }

    private Path startAgent() throws Exception {
        var process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        AgentLikeProcess.class.getName(),
                        temp.resolve("agent").toString(),
                        temp.resolve("holder.sock").toString(),
                        image.entry().repository().name(),
                        image.artifact().toString(),
                        // Too small for the image, so that reads after the takeover need the registry again.
                        Integer.toString(1 << 20))
                .redirectError(temp.resolve("agent.log").toFile())
                .start();
        agents.add(process);
        var lines = new BufferedReader(process.inputReader(StandardCharsets.UTF_8));
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            if (line.startsWith(AgentLikeProcess.READY)) {
                return Path.of(line.substring(AgentLikeProcess.READY.length() + 1));
            }
        }
        throw new IllegalStateException("the agent ended: " + Files.readString(temp.resolve("agent.log")));
    }
}
