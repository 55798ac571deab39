package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.Misconfigured;
import dev.thaw.agent.AgentException.Refusal;
import dev.thaw.agent.AgentException.SnapshotRefused;
import dev.thaw.agent.AgentException.StorageFailed;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SnapshotRecordsTest {
    private static final Instant NOW = Instant.parse("2026-11-20T10:00:00.123456789Z");
    private static final Instant LATER = NOW.plusSeconds(5);
    private static final Digest IMAGE = Digest.parse("sha256:" + "a".repeat(64));

    @TempDir
    Path temp;

    private SnapshotRecords records;

    @BeforeEach
    void open() throws AgentException {
        records = SnapshotRecords.open(temp.resolve("records.db"));
    }

    @AfterEach
    void close() throws AgentException {
        records.close();
    }

    private void reopen() throws AgentException {
        records.close();
        open();
    }

    private Snapshot create(String name, String parent) throws AgentException {
        return records.create(Kind.ACTIVE, name, parent, Map.of(), NOW, id -> {});
    }

    private Snapshot layer(String name, String parent) throws AgentException {
        create("key of " + name, parent);
        return records.commit("key of " + name, name, Map.of(), NOW);
    }

    private static void assertRefused(Refusal refusal, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        SnapshotRefused.class, e -> assertThat(e.refusal()).isEqualTo(refusal));
    }

    @Test
    void keepsWhatItWasTold() throws AgentException {
        layer("base", "");
        records.create(Kind.VIEW, "view", "base", Map.of("a", "1", "empty", ""), NOW, id -> {});
        reopen();
        var view = records.get("view");
        assertThat(view.parent()).isEqualTo("base");
        assertThat(view.kind()).isEqualTo(Kind.VIEW);
        assertThat(view.labels()).containsExactlyEntriesOf(Map.of("a", "1"));
        assertThat(view.created()).isEqualTo(NOW);
        assertThat(view.claim()).isEmpty();
    }

    @Test
    void neverGivesAnIdTwice() throws AgentException {
        var first = create("a", "");
        records.remove("a");
        reopen();
        assertThat(create("a", "").id()).isGreaterThan(first.id());
    }

    @Test
    void keepsNoRecordWhoseDirectoryCouldNotBePlaced() throws AgentException {
        assertThatThrownBy(() -> records.create(Kind.ACTIVE, "a", "", Map.of(), NOW, id -> {
                    throw new StorageFailed(temp, "is full", true, null);
                }))
                .isInstanceOf(StorageFailed.class);
        assertThat(records.find("a")).isEmpty();
        assertThat(create("a", "").name()).isEqualTo("a");
    }

    @Test
    void refusesAsContainerdDoes() throws AgentException {
        create("active", "");
        layer("base", "");
        assertRefused(Refusal.ALREADY_EXISTS, () -> create("active", ""));
        assertRefused(Refusal.NOT_FOUND, () -> create("b", "none"));
        assertRefused(Refusal.INVALID_ARGUMENT, () -> create("b", "active"));
        assertRefused(Refusal.NOT_FOUND, () -> records.commit("none", "b", Map.of(), NOW));
        assertRefused(Refusal.ALREADY_EXISTS, () -> records.commit("active", "base", Map.of(), NOW));
        assertRefused(Refusal.FAILED_PRECONDITION, () -> records.commit("base", "b", Map.of(), NOW));
        assertRefused(Refusal.NOT_FOUND, () -> records.remove("none"));
        assertRefused(Refusal.NOT_FOUND, () -> records.get("none"));
        assertRefused(Refusal.NOT_FOUND, () -> records.relabel("none", labels -> labels, NOW));
    }

    @Test
    void removesChildrenBeforeTheirParent() throws AgentException {
        layer("base", "");
        create("child", "base");
        assertRefused(Refusal.FAILED_PRECONDITION, () -> records.remove("base"));
        records.remove("child");
        assertThat(records.remove("base").name()).isEqualTo("base");
        assertThat(records.all()).isEmpty();
    }

    @Test
    void commitReplacesLabelsAndTimes() throws AgentException {
        var active = records.create(Kind.ACTIVE, "key", "", Map.of("old", "1"), NOW, id -> {});
        var committed = records.commit("key", "layer", Map.of("new", "2"), LATER);
        assertThat(committed.id()).isEqualTo(active.id());
        assertThat(committed.labels()).containsExactlyEntriesOf(Map.of("new", "2"));
        assertThat(committed.created()).isEqualTo(LATER);
        assertThat(records.find("key")).isEmpty();
    }

    @Test
    void listsAncestorsFromTheNearest() throws AgentException {
        layer("a", "");
        layer("b", "a");
        layer("c", "b");
        assertThat(records.ancestors(create("top", "c")))
                .extracting(Snapshot::name)
                .containsExactly("c", "b", "a");
        assertThat(records.ancestors(records.get("a"))).isEmpty();
    }

    @Test
    void knowsWhichImagesAreInUse() throws AgentException {
        records.claim("one", "", Map.of(), new Snapshot.Claim(IMAGE, 1), NOW);
        records.claim("two", "one", Map.of(), new Snapshot.Claim(IMAGE, 2), NOW);
        reopen();
        assertThat(records.images()).containsExactly(IMAGE);
        assertThat(records.references(IMAGE)).isEqualTo(2);
        assertThat(records.get("two").claim()).contains(new Snapshot.Claim(IMAGE, 2));
        assertThat(records.usage(records.get("two").id())).contains(Usage.NONE);
    }

    @Test
    void remembersUsageOnceMeasured() throws AgentException {
        var layer = layer("a", "");
        assertThat(records.usage(layer.id())).isEmpty();
        assertThat(records.unmeasured()).extracting(Snapshot::name).containsExactly("a");
        records.measured(layer.id(), new Usage(4096, 3));
        assertThat(records.usage(layer.id())).contains(new Usage(4096, 3));
        assertThat(records.unmeasured()).isEmpty();
    }

    @Test
    void findsTheNewestSnapshotOfAClientsKey() throws AgentException {
        create("k8s.io/4/abc", "");
        create("k8s.io/9/abc", "");
        create("k8s.io/10/other/abc", "");
        create("moby/11/abc", "");
        create("k8s.io/12/a%c", "");
        assertThat(records.find("k8s.io", "abc").orElseThrow().name()).isEqualTo("k8s.io/9/abc");
        assertThat(records.find("k8s.io", "other/abc").orElseThrow().name()).isEqualTo("k8s.io/10/other/abc");
        assertThat(records.find("k8s.io", "%")).isEmpty();
        assertThat(records.find("k8s", "abc")).isEmpty();
    }

    @Test
    void takesManyCallsAtOnce() throws Exception {
        layer("base", "");
        var made = new AtomicInteger();
        var go = new CountDownLatch(1);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 50; i++) {
                // Every name is wanted twice; one of the two may have it.
                var name = "n" + i / 2;
                threads.submit(() -> {
                    go.await();
                    create(name, "base");
                    return made.incrementAndGet();
                });
            }
            go.countDown();
        }
        assertThat(made).hasValue(25);
        assertThat(records.all()).hasSize(26);
    }

    @Test
    void refusesRecordsOfANewerVersion() throws AgentException, SQLException {
        records.close();
        try (var connection = DriverManager.getConnection("jdbc:sqlite:" + temp.resolve("records.db"));
                var statement = connection.createStatement()) {
            statement.execute("PRAGMA user_version = 99");
        }
        assertThatThrownBy(() -> SnapshotRecords.open(temp.resolve("records.db")))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("schema 99");
    }

    @Test
    void saysSoWhenTheFileIsNoDatabase() throws IOException {
        var file = temp.resolve("broken.db");
        Files.writeString(file, "This is text. ".repeat(1000));
        assertThatThrownBy(() -> SnapshotRecords.open(file))
                .isInstanceOf(StorageFailed.class)
                .hasMessageContaining("broken.db");
    }
}
