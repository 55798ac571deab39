package dev.thaw.agent.clock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import dev.thaw.agent.containerd.containers.Container;
import dev.thaw.agent.containerd.types.Envelope;
import dev.thaw.agent.image.ImageTraffic.Flow;
import dev.thaw.agent.image.ImageTraffic.Traffic;
import dev.thaw.agent.snapshot.Snapshots;
import dev.thaw.oci.Digest;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ColdStartClockTest {
    private static final Digest IMAGE = Digest.parse("sha256:" + "a".repeat(64));
    private static final Instant BEGAN = Instant.parse("2026-11-20T10:00:00Z");
    private static final Instant MOUNTED = BEGAN.plusMillis(200);
    private static final Instant STARTED = BEGAN.plusMillis(450);

    @TempDir
    Path temp;

    private final Map<Digest, Traffic> traffic = new ConcurrentHashMap<>();
    private final Map<String, Snapshots.LazyRoot> recorded = new ConcurrentHashMap<>();
    private final CopyOnWriteArrayList<ColdStart> reports = new CopyOnWriteArrayList<>();
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private FakeContainerd fake;
    private Containerd containerd;
    private ColdStartClock clock;

    @BeforeEach
    void start() throws IOException {
        fake = new FakeContainerd(temp.resolve("containerd.sock"));
        containerd = new Containerd(temp.resolve("containerd.sock"));
        clock = new ColdStartClock(
                containerd,
                () -> (namespace, key) -> Optional.ofNullable(recorded.get(namespace + " " + key)),
                image -> traffic.getOrDefault(image, Traffic.NONE),
                reports::add,
                meters);
        clock.start();
        await().until(() -> fake.listenerCount() == 1);
    }

    @AfterEach
    void stop() throws InterruptedException {
        clock.close();
        containerd.close();
        fake.close();
    }

    private void cost(long demandBytes, long touchedBytes, long cachedBytes) {
        traffic.put(
                IMAGE,
                new Traffic(
                        new Flow(demandBytes, demandBytes / 10),
                        Flow.NONE,
                        Flow.NONE,
                        Duration.ofMillis(demandBytes),
                        touchedBytes,
                        cachedBytes,
                        10_000));
    }

    private ColdStart report(int number) {
        await().until(() -> reports.size() >= number);
        return reports.get(number - 1);
    }

    private static Container container(String id) {
        return Container.newBuilder()
                .setId(id)
                .setSnapshotter("thaw")
                .setSnapshotKey(id)
                .putLabels("io.kubernetes.pod.namespace", "shop")
                .putLabels("io.kubernetes.pod.name", "web-0")
                .putLabels("io.kubernetes.pod.uid", "1234")
                .putLabels("io.kubernetes.container.name", "web")
                .build();
    }

    @Test
    void joinsPullMountAndStart() {
        clock.pullBegan(IMAGE, BEGAN);
        cost(50, 20, 60);
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        cost(300, 120, 400);
        fake.add("k8s.io", container("c1"));
        fake.taskStarts("k8s.io", "c1", STARTED);

        var start = report(1);
        assertThat(start.artifact()).isEqualTo(IMAGE);
        assertThat(start.containerId()).isEqualTo("c1");
        assertThat(start.podNamespace()).isEqualTo("shop");
        assertThat(start.podName()).isEqualTo("web-0");
        assertThat(start.podUid()).isEqualTo("1234");
        assertThat(start.containerName()).isEqualTo("web");
        assertThat(start.pullBegan()).contains(BEGAN);
        assertThat(start.rootMounted()).isEqualTo(MOUNTED);
        assertThat(start.started()).isEqualTo(STARTED);
        assertThat(start.cold()).isTrue();
        assertThat(start.traffic().demand()).isEqualTo(new Flow(300, 30));
        assertThat(start.traffic().waited()).isEqualTo(Duration.ofMillis(300));
        assertThat(start.traffic().totalBytes()).isEqualTo(10_000);
        assertThat(start.touchedBytes()).isEqualTo(120);
        assertThat(fake.filters).containsExactly("topic==\"/tasks/start\"");
        assertThat(meters.get("thaw.start.entrypoint")
                        .tag("from", "pull")
                        .timer()
                        .count())
                .isEqualTo(1);
    }

    @Test
    void chargesASecondContainerOnlyWithWhatItFetched() {
        clock.pullBegan(IMAGE, BEGAN);
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        cost(300, 120, 400);
        fake.taskStarts("k8s.io", "c1", STARTED);
        report(1);
        clock.rootMounted("k8s.io/8/c2", IMAGE, STARTED.plusSeconds(60));
        cost(310, 220, 400);
        fake.taskStarts("k8s.io", "c2", STARTED.plusSeconds(61));

        var start = report(2);
        assertThat(start.pullBegan()).isEmpty();
        assertThat(start.cold()).isFalse();
        assertThat(start.traffic().demand()).isEqualTo(new Flow(10, 1));
        assertThat(start.touchedBytes()).isEqualTo(100);
        assertThat(meters.get("thaw.start.entrypoint")
                        .tag("from", "mount")
                        .timer()
                        .count())
                .isEqualTo(1);
    }

    @Test
    void isNotColdWhereTheCacheHadSomething() {
        cost(0, 0, 5);
        clock.pullBegan(IMAGE, BEGAN);
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        fake.taskStarts("k8s.io", "c1", STARTED);
        assertThat(report(1).cold()).isFalse();
        assertThat(report(1).pullBegan()).contains(BEGAN);
    }

    @Test
    void reportsAContainerWithoutKubernetes() {
        clock.rootMounted("default/3/plain", IMAGE, MOUNTED);
        fake.taskStarts("default", "plain", STARTED);
        var start = report(1);
        assertThat(start.namespace()).isEqualTo("default");
        assertThat(start.podName()).isEmpty();
    }

    @Test
    void findsARootThatWasMadeBeforeTheAgentStarted() {
        recorded.put("k8s.io key1", new Snapshots.LazyRoot("k8s.io/2/key1", IMAGE, MOUNTED));
        fake.add("k8s.io", container("c1").toBuilder().setSnapshotKey("key1").build());
        fake.taskStarts("k8s.io", "c1", STARTED);
        assertThat(report(1).rootMounted()).isEqualTo(MOUNTED);
        assertThat(report(1).pullBegan()).isEmpty();
    }

    @Test
    void ignoresOrdinaryContainersAndOtherNamespaces() {
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        fake.add("k8s.io", container("ordinary"));
        fake.taskStarts("k8s.io", "ordinary", STARTED);
        fake.taskStarts("moby", "c1", STARTED);
        fake.taskStarts("k8s.io", "c1", STARTED);
        assertThat(report(1).containerId()).isEqualTo("c1");
        assertThat(report(1).namespace()).isEqualTo("k8s.io");
        assertThat(reports).hasSize(1);
    }

    @Test
    void survivesAnEventThatItCannotRead() {
        fake.says(Envelope.newBuilder()
                .setTopic("/tasks/start")
                .setEvent(Any.newBuilder().setValue(ByteString.copyFromUtf8("\u00ff\u00ff")))
                .build());
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        fake.taskStarts("k8s.io", "c1", STARTED);
        assertThat(report(1).containerId()).isEqualTo("c1");
    }

    @Test
    void listensAgainAfterContainerdWasRestarted() throws Exception {
        fake.close();
        fake = new FakeContainerd(temp.resolve("containerd.sock"));
        await().until(() -> fake.listenerCount() == 1);
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        fake.taskStarts("k8s.io", "c1", STARTED);
        assertThat(report(1).containerId()).isEqualTo("c1");
        assertThat(containerd.version()).isEqualTo("v2.1.9");
    }

    @Test
    void findsWhatANewContainerdStartedBeforeItWasHeard() throws Exception {
        clock.rootMounted("k8s.io/6/heard", IMAGE, MOUNTED);
        fake.taskStarts("k8s.io", "heard", STARTED);
        report(1);
        fake.close();
        recorded.put("k8s.io earlier", new Snapshots.LazyRoot("k8s.io/2/earlier", IMAGE, MOUNTED));
        clock.pullBegan(IMAGE, BEGAN);
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        clock.rootMounted("k8s.io/8/created", IMAGE, MOUNTED);
        var before = Instant.now();
        fake = new FakeContainerd(temp.resolve("containerd.sock"), "heard", "earlier", "ordinary", "c1");

        var start = report(2);
        assertThat(start.containerId()).isEqualTo("c1");
        assertThat(start.pullBegan()).contains(BEGAN);
        assertThat(start.started()).isBetween(before, Instant.now());
        // The event of a start that was found, and one after it.
        fake.taskStarts("k8s.io", "c1", before);
        fake.taskStarts("k8s.io", "created", STARTED);
        assertThat(report(3).containerId()).isEqualTo("created");
        assertThat(reports).hasSize(3);
    }

    @Test
    void doesNotLookForTheStartOfARootThatIsGone() throws Exception {
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        clock.rootMounted("k8s.io/8/c2", IMAGE, MOUNTED);
        clock.removed("k8s.io/7/c1");
        fake.close();
        fake = new FakeContainerd(temp.resolve("containerd.sock"), "c1", "c2");
        assertThat(report(1).containerId()).isEqualTo("c2");
        assertThat(reports).hasSize(1);
    }

    @Test
    void tellsTheTrafficAfterTheStartWhenAsked() {
        clock.pullBegan(IMAGE, BEGAN);
        clock.rootMounted("k8s.io/7/c1", IMAGE, MOUNTED);
        cost(100, 50, 100);
        fake.taskStarts("k8s.io", "c1", STARTED);
        report(1);
        cost(900, 500, 900);
        var again = clock.again("c1").orElseThrow();
        assertThat(again.traffic().demand().bytes()).isEqualTo(900);
        assertThat(again.touchedBytes()).isEqualTo(500);
        assertThat(clock.again("none")).isEmpty();
    }
}
