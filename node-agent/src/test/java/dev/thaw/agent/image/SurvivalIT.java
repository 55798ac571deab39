package dev.thaw.agent.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.AgentProcess;
import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import dev.thaw.agent.mount.Holder;
import dev.thaw.oci.FakeRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole program, killed again and again below readers that compare every byte. {@code e2e/bench/survival} runs it with
 * many kills; how long readers stood still is printed, and never decides.
 */
final class SurvivalIT {
    private static final int KILLS = Integer.getInteger("thaw.survival.kills", 3);
    /** A rehearsal takes as long as some starts without one. */
    private static final int WORTH_A_REHEARSAL = 10;

    private static final int READERS = 4;
    private static final int LONGEST_READ = 256 << 10;
    private static final Duration PATIENCE = Duration.ofMinutes(5);
    private static final int DONTNEED = 4;

    @SuppressWarnings("restricted") // posix_fadvise(2) is in no Java API
    private static final MethodHandle FADVISE = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().findOrThrow("posix_fadvise"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_INT));

    @TempDir
    Path temp;

    private final FakeRegistry registry = FakeRegistry.start();
    private final List<Process> agents = new ArrayList<>();
    private final List<Reader> readers = new ArrayList<>();
    private final AtomicBoolean stop = new AtomicBoolean();
    private AgentProcess program;
    private SampleImage image;
    private Holder holder;

    @BeforeEach
    void start() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "mounting needs root");
        assumeTrue(Files.exists(Path.of("/dev/fuse")), "there is no /dev/fuse");
        program = KILLS < WORTH_A_REHEARSAL ? AgentProcess.plain(temp) : AgentProcess.rehearsed(temp);
        image = SampleImage.publish(registry, temp.resolve("work"), BackgroundFetch.AFTER_READY, List.of());
        image.publishIndex(registry, "lazy");
        Files.writeString(temp.resolve("agent.yaml"), """
                root: %1$s/agent
                socket: %1$s/agent.sock
                holder: %1$s/holder.sock
                http: {address: 127.0.0.1, port: 0}
                driver: Erofs
                containerd: {socket: %1$s/no-containerd.sock}
                cache: {maxSize: 64Mi}
                images: ["%2$s:lazy"]
                registries: [{host: "%3$s", plainHttp: true}]
                """.formatted(
                        temp, image.entry().repository().name(), registry.host()));
        var held = Holder.listen(temp.resolve("holder.sock"));
        holder = held;
        Thread.ofPlatform().daemon().start(() -> {
            try {
                held.run();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    @AfterEach
    void unmountEverything() throws Exception {
        stop.set(true);
        for (var agent : agents) {
            agent.destroyForcibly().waitFor();
        }
        // With the last descriptor the session ends, and no reader hangs.
        holder.close();
        registry.close();
        Mounts.detachAll(temp);
        assertThat(MountTable.read().below(temp)).isEmpty();
    }

    @Test
    void noReadFailsHoweverOftenTheAgentIsKilled() throws Exception {
        readWhileAgentsEnd("kills", Process::destroyForcibly);
    }

    @Test
    void noReadFailsHoweverOftenTheAgentIsToldToEnd() throws Exception {
        readWhileAgentsEnd("orderly ends", process -> {
            process.destroy();
            return process;
        });
    }

    private void readWhileAgentsEnd(String kind, UnaryOperator<Process> end) throws Exception {
        launch();
        var root = prepareContainer();
        var wanted = image.tree().get("data/big").content();
        var stalls = new ArrayList<Long>();
        try (var threads = Executors.newFixedThreadPool(READERS)) {
            for (int number = 0; number < READERS; number++) {
                readers.add(new Reader(root.resolve("data/big"), wanted, number));
            }
            var reading = readers.stream().map(threads::submit).toList();
            awaitReads(3);
            for (int kill = 0; kill < KILLS; kill++) {
                readers.forEach(reader -> reader.longest.set(0));
                end.apply(agents.getLast()).waitFor();
                launch();
                awaitReads(3);
                stalls.add(readers.stream()
                        .mapToLong(reader -> reader.longest.get())
                        .max()
                        .orElseThrow());
                if (kill % 10 == 9) {
                    System.out.printf("survival: %d of %d kills%n", kill + 1, KILLS);
                }
            }
            stop.set(true);
            for (var result : reading) {
                result.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            }
        }
        stalls.sort(null);
        System.out.printf(
                "survival: %s=%d reads=%d errors=0 longest read for each: p50=%d ms p90=%d ms p99=%d ms max=%d ms%n",
                kind,
                KILLS,
                readers.stream().mapToLong(reader -> reader.done.get()).sum(),
                quantile(stalls, 0.5),
                quantile(stalls, 0.9),
                quantile(stalls, 0.99),
                quantile(stalls, 1));
    }

    private static long quantile(List<Long> sorted, double share) {
        int index = (int) Math.ceil(share * sorted.size()) - 1;
        return TimeUnit.NANOSECONDS.toMillis(sorted.get(Math.max(index, 0)));
    }

    private void launch() throws IOException {
        agents.add(program.start(
                temp.resolve("agent.log"),
                "serve",
                "--config",
                temp.resolve("agent.yaml").toString()));
    }

    /** Every reader has read that often since; a reader that failed fails the test. */
    private void awaitReads(int times) {
        var before = readers.stream().map(reader -> reader.done.get()).toList();
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(() -> {
            for (int number = 0; number < readers.size(); number++) {
                var reader = readers.get(number);
                if (reader.failure != null) {
                    throw new AssertionError(log(), reader.failure);
                }
                if (reader.done.get() < before.get(number) + times) {
                    return false;
                }
            }
            return true;
        });
    }

    private String log() throws IOException {
        return Files.readString(temp.resolve("agent.log"), StandardCharsets.UTF_8);
    }

    private Path prepareContainer() {
        var socket = temp.resolve("agent.sock");
        await().atMost(PATIENCE).until(() -> Files.exists(socket));
        return PreparedContainer.of(socket, image.artifact());
    }

    /** Reads random ranges of a file, each from below the page cache, and compares them. */
    private final class Reader implements Runnable {
        private final Path file;
        private final byte[] wanted;
        private final SplittableRandom random;
        private final AtomicLong done = new AtomicLong();
        private final AtomicLong longest = new AtomicLong();
        private volatile Throwable failure;

        Reader(Path file, byte[] wanted, long seed) {
            this.file = file;
            this.wanted = wanted;
            random = new SplittableRandom(seed);
        }

        @Override
        public void run() {
            try (var arena = Arena.ofConfined()) {
                int descriptor = Libc.open(file, Libc.O_RDONLY);
                var target = arena.allocate(LONGEST_READ);
                try {
                    while (!stop.get()) {
                        read(descriptor, target);
                    }
                } finally {
                    Libc.close(descriptor);
                }
            } catch (Throwable t) {
                failure = t;
            }
        }

        private void read(int descriptor, MemorySegment target) throws Throwable {
            int offset = random.nextInt(wanted.length - 1);
            int length = Math.min(random.nextInt(1, LONGEST_READ), wanted.length - offset);
            long begun = System.nanoTime();
            long read = Libc.pread(descriptor, target, length, offset);
            long took = System.nanoTime() - begun;
            if (read != length
                    || !Arrays.equals(
                            target.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE),
                            Arrays.copyOfRange(wanted, offset, offset + length))) {
                throw new AssertionError(
                        "reading %d bytes at %d gave %d, or wrong bytes".formatted(length, offset, read));
            }
            longest.accumulateAndGet(took, Math::max);
            done.incrementAndGet();
            int dropped = (int) FADVISE.invokeExact(descriptor, 0L, 0L, DONTNEED);
            assertThat(dropped).isZero();
        }
    }
}
