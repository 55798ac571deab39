package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.Refusal;
import dev.thaw.agent.AgentException.SnapshotRefused;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SnapshotsTest {
    private static final Digest IMAGE = Digest.parse("sha256:" + "a".repeat(64));
    private static final Digest OTHER = Digest.parse("sha256:" + "b".repeat(64));

    @TempDir
    Path temp;

    private FakeLazyImages images;
    private SnapshotRecords records;
    private Snapshots snapshots;
    private final List<String> seen = new ArrayList<>();

    @BeforeEach
    void start() throws AgentException {
        images = new FakeLazyImages(temp.resolve("images"));
        images.know(IMAGE, 3);
        open();
    }

    private void open() throws AgentException {
        records = SnapshotRecords.open(temp.resolve("records.db"));
        snapshots = new Snapshots(
                new SnapshotSettings(directory(), List.of("index=off"), false),
                records,
                images,
                new Seen(),
                Clock.systemUTC());
        snapshots.restore();
    }

    @AfterEach
    void close() throws AgentException {
        snapshots.close();
        records.close();
    }

    /** A crash loses nothing that was written, so closing without another word is as good. */
    private void crashAndRestart() throws AgentException {
        close();
        open();
    }

    private final class Seen implements SnapshotWatcher {
        @Override
        public void pullBegan(Digest image, Instant at) {
            seen.add("pull " + image.hex().charAt(0));
        }

        @Override
        public void rootMounted(String key, Digest image, Instant at) {
            seen.add("root " + key);
        }

        @Override
        public void imageReleased(Digest image) {
            seen.add("released " + image.hex().charAt(0));
        }
    }

    private Path directory() {
        return temp.resolve("snapshots");
    }

    private List<Mount> prepare(String key, String parent) throws AgentException {
        return ((Snapshots.Prepared.Writable) snapshots.prepare(key, parent, Map.of())).mounts();
    }

    private void layer(String name, String parent) throws AgentException {
        prepare("extract " + name, parent);
        snapshots.commit(name, "extract " + name, Map.of());
    }

    private static Map<String, String> offer(String ref, Digest image) {
        return Map.of(Snapshots.REF, ref, Snapshots.IMAGE, image.toString(), "other", "kept");
    }

    private Snapshots.Prepared offered(String ref, String parent, Digest image) throws AgentException {
        return snapshots.prepare("extract " + ref, parent, offer(ref, image));
    }

    private void claimWhole() throws AgentException {
        assertThat(offered("one", "", IMAGE)).isEqualTo(new Snapshots.Prepared.Claimed("one"));
        assertThat(offered("two", "one", IMAGE)).isEqualTo(new Snapshots.Prepared.Claimed("two"));
        assertThat(offered("three", "two", IMAGE)).isEqualTo(new Snapshots.Prepared.Claimed("three"));
    }

    private static void assertRefused(Refusal refusal, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        SnapshotRefused.class, e -> assertThat(e.refusal()).isEqualTo(refusal));
    }

    private List<String> directories() throws IOException {
        try (var entries = Files.list(directory())) {
            return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
        }
    }

    // --- ordinary snapshots

    @Test
    void givesAFirstLayerADirectoryOfItsOwn() throws AgentException, IOException {
        var mounts = prepare("a", "");
        var files = Path.of(mounts.getFirst().source());
        assertThat(mounts).containsExactly(new Mount("bind", files.toString(), List.of("rw", "rbind")));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(files)))
                .isEqualTo("rwxr-xr-x");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(files.resolveSibling("work"))))
                .isEqualTo("rwx--x--x");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory())))
                .isEqualTo("rwx------");
    }

    @Test
    void answersMountsAsWhenTheSnapshotWasMade() throws AgentException {
        layer("a", "");
        layer("b", "a");
        assertThat(prepare("c", "b")).isEqualTo(snapshots.mounts("c"));
        assertThat(snapshots.view("v", "b", Map.of())).isEqualTo(snapshots.mounts("v"));
        assertRefused(Refusal.FAILED_PRECONDITION, () -> snapshots.mounts("a"));
    }

    @Test
    void measuresALayerAfterItsCommit() throws AgentException, IOException {
        var files = Path.of(prepare("key", "").getFirst().source());
        Files.write(files.resolve("data"), new byte[100_000]);
        assertThat(snapshots.usage("key").inodes()).isEqualTo(2);
        snapshots.commit("layer", "key", Map.of());
        assertThat(snapshots.usage("layer").inodes()).isEqualTo(2);
        await().untilAsserted(() ->
                assertThat(records.usage(records.get("layer").id())).isPresent());
        snapshots.view("look", "layer", Map.of());
        assertThat(snapshots.usage("look")).isEqualTo(Usage.NONE);
    }

    @Test
    void deletesTheFilesOfARemovedSnapshotAside() throws AgentException, IOException {
        var files = Path.of(prepare("key", "").getFirst().source());
        Files.createDirectories(files.resolve("deep/er"));
        Files.writeString(files.resolve("deep/er/file"), "x");
        snapshots.remove("key");
        assertThat(files).doesNotExist();
        snapshots.cleanup();
        assertThat(directories()).isEmpty();
    }

    @Test
    void cleansUpWhatBelongsToNoSnapshotAndNothingElse() throws AgentException, IOException {
        prepare("key", "");
        var known = directories();
        Files.createDirectories(directory().resolve("4711/fs"));
        Files.createDirectories(directory().resolve("new-1/fs"));
        Files.createDirectories(directory().resolve("removed-3-1/fs"));
        snapshots.cleanup();
        assertThat(directories()).isEqualTo(known);
    }

    @Test
    void leavesNothingBehindWhenItRefuses() throws AgentException, IOException {
        prepare("key", "");
        var known = directories();
        assertRefused(Refusal.ALREADY_EXISTS, () -> prepare("key", ""));
        assertRefused(Refusal.NOT_FOUND, () -> prepare("b", "none"));
        assertRefused(Refusal.INVALID_ARGUMENT, () -> prepare("b", "key"));
        assertRefused(Refusal.INVALID_ARGUMENT, () -> prepare("", ""));
        assertThat(directories()).isEqualTo(known);
    }

    @Test
    void changesOnlyTheLabelsThatAreNamed() throws AgentException {
        snapshots.prepare("key", "", Map.of("a", "1", "b", "2"));
        assertThat(snapshots
                        .update("key", Map.of("a", "9", "b", "9"), List.of("labels.a"))
                        .labels())
                .isEqualTo(Map.of("a", "9", "b", "2"));
        assertThat(snapshots.update("key", Map.of(), List.of("labels.b")).labels())
                .isEqualTo(Map.of("a", "9"));
        assertThat(snapshots.update("key", Map.of("c", "3"), List.of()).labels())
                .isEqualTo(Map.of("c", "3"));
        assertThat(snapshots.update("key", Map.of("d", "4"), List.of("labels")).labels())
                .isEqualTo(Map.of("d", "4"));
        assertRefused(Refusal.INVALID_ARGUMENT, () -> snapshots.update("key", Map.of(), List.of("parent")));
    }

    @Test
    void givesTheRootOfAUserNamespaceItsDirectory() throws AgentException, IOException {
        assumeTrue("root".equals(System.getProperty("user.name")), "only root may give files away");
        snapshots.prepare(
                "key", "", Map.of(RootShape.UID_MAPPING, "5:1:1,0:100000:65536", RootShape.GID_MAPPING, "0:200000:10"));
        snapshots.commit("layer", "key", Map.of());
        assertThat(prepare("above", "layer")).hasSize(1);
        for (var name : List.of("layer", "above")) {
            var files = directory().resolve(records.get(name).id() + "/fs");
            assertThat(Files.getAttribute(files, "unix:uid")).isEqualTo(100_000);
            assertThat(Files.getAttribute(files, "unix:gid")).isEqualTo(200_000);
        }
    }

    @Test
    void givesAContainerTheOwnerOfTheImagesRoot() throws AgentException, IOException {
        assumeTrue("root".equals(System.getProperty("user.name")), "only root may give files away");
        claimWhole();
        Files.createDirectories(images.rootOf(IMAGE));
        Files.setAttribute(images.rootOf(IMAGE), "unix:uid", 4711);
        prepare("container", "three");
        assertThat(Files.getAttribute(
                        directory().resolve(records.get("container").id() + "/fs"), "unix:uid"))
                .isEqualTo(4711);
    }

    @Test
    void makesNoContainerOnAnImageThatCannotBeMounted() throws AgentException, IOException {
        claimWhole();
        images.failToMount(new AgentException.MountFailed(temp, "no", null));
        assertThatThrownBy(() -> prepare("container", "three")).isInstanceOf(AgentException.MountFailed.class);
        assertThat(records.find("container")).isEmpty();
        assertThat(directories()).isEmpty();
    }

    @Test
    void refusesMappingsItCannotRead() {
        for (var mapping : List.of("", "0", "0:1", "a:b:c", "5:1000:10", "0:1000:0")) {
            assertRefused(
                    Refusal.INVALID_ARGUMENT,
                    () -> snapshots.prepare(
                            "key", "", Map.of(RootShape.UID_MAPPING, mapping, RootShape.GID_MAPPING, mapping)));
        }
    }

    // --- claims

    @Test
    void claimsEveryLayerOfAKnownImage() throws AgentException, IOException {
        claimWhole();
        assertThat(images.claims).containsExactly(IMAGE);
        assertThat(directories()).isEmpty();
        assertThat(snapshots.usage("two")).isEqualTo(Usage.NONE);
        assertThat(snapshots.list(List.of("labels.\"containerd.io/snapshot.ref\"==two,parent==\"one\"")))
                .singleElement()
                .satisfies(layer -> {
                    assertThat(layer.kind()).isEqualTo(Kind.COMMITTED);
                    assertThat(layer.labels()).isEqualTo(offer("two", IMAGE));
                });
        assertThat(seen).containsExactly("pull a");
    }

    @Test
    void laysAContainerOverTheWholeImage() throws AgentException {
        claimWhole();
        var mounts = prepare("k8s.io/9/container", "three");
        assertThat(mounts).singleElement().satisfies(mount -> {
            assertThat(mount.type()).isEqualTo("overlay");
            assertThat(mount.options()).contains("lowerdir=" + images.rootOf(IMAGE), "index=off");
        });
        assertThat(snapshots.mounts("k8s.io/9/container")).isEqualTo(mounts);
        assertThat(snapshots.view("look", "three", Map.of()))
                .containsExactly(new Mount("bind", images.rootOf(IMAGE).toString(), List.of("ro", "rbind")));
        assertThat(seen).containsExactly("pull a", "root k8s.io/9/container", "root look");
        assertThat(snapshots.lazyRoot("k8s.io", "container").orElseThrow().image())
                .isEqualTo(IMAGE);
    }

    @Test
    void laysOrdinaryLayersOverTheWholeImage() throws AgentException {
        claimWhole();
        layer("four", "three");
        var four = records.get("four").id();
        assertThat(prepare("container", "four").getFirst().options())
                .contains("lowerdir=" + directory().resolve(four + "/fs") + ":" + images.rootOf(IMAGE));
    }

    @Test
    void leavesAnUnknownImageToContainerd() throws AgentException {
        assertThat(offered("one", "", OTHER)).isInstanceOf(Snapshots.Prepared.Writable.class);
        snapshots.commit("ns/1/one", "extract one", offer("one", OTHER));
        images.know(OTHER, 2);
        assertThat(offered("two", "ns/1/one", OTHER)).isInstanceOf(Snapshots.Prepared.Writable.class);
        assertThat(images.claims).containsExactly(OTHER);
    }

    @Test
    void claimsNothingThatIsNotOffered() throws AgentException {
        assertThat(snapshots.prepare("key", "", Map.of(Snapshots.IMAGE, IMAGE.toString())))
                .isInstanceOf(Snapshots.Prepared.Writable.class);
        assertThat(snapshots.prepare("key2", "", Map.of(Snapshots.REF, "one", Snapshots.IMAGE, "no digest")))
                .isInstanceOf(Snapshots.Prepared.Writable.class);
        assertThat(snapshots.prepare("key3", "", Map.of(Snapshots.REF, "one")))
                .isInstanceOf(Snapshots.Prepared.Writable.class);
        assertThat(images.claims).isEmpty();
    }

    @Test
    void claimsNoLayerOnTopOfAnotherImage() throws AgentException {
        claimWhole();
        images.know(OTHER, 9);
        assertThat(offered("four", "three", OTHER)).isInstanceOf(Snapshots.Prepared.Writable.class);
    }

    @Test
    void claimsNoMoreLayersThanTheImageHas() throws AgentException {
        claimWhole();
        assertThat(offered("four", "three", IMAGE)).isInstanceOf(Snapshots.Prepared.Writable.class);
    }

    @Test
    void keepsClaimingAnImageThatLeftTheTableMeanwhile() throws AgentException {
        images.know(OTHER, 2);
        offered("first", "", OTHER);
        assertThat(offered("second", "first", OTHER)).isEqualTo(new Snapshots.Prepared.Claimed("second"));
        assertThat(images.claims).containsExactly(OTHER);
    }

    @Test
    void refusesARootOnPartOfAnImage() throws AgentException {
        offered("one", "", IMAGE);
        assertThatThrownBy(() -> prepare("container", "one"))
                .isInstanceOf(SnapshotRefused.class)
                .hasMessageContaining("layer 1")
                .hasMessageContaining("has 3");
        assertThat(records.find("container")).isEmpty();
    }

    @Test
    void claimsTheSameLayerForASecondNamespaceWithoutAskingAgain() throws AgentException {
        claimWhole();
        images.forget(IMAGE);
        assertThat(snapshots.prepare("moby/1/extract", "", offer("one", IMAGE)))
                .isEqualTo(new Snapshots.Prepared.Claimed("one"));
        assertThat(images.claims).hasSize(1);
    }

    @Test
    void doesNotMistakeALayerOfAnotherImageForTheOneOffered() throws AgentException {
        claimWhole();
        images.know(OTHER, 3);
        assertThat(snapshots.prepare("forged", "", offer("one", OTHER)))
                .isInstanceOf(Snapshots.Prepared.Writable.class);
        assertThat(snapshots.stat("one").claim().orElseThrow().image()).isEqualTo(IMAGE);
    }

    @Test
    void releasesAnImageWithItsLastLayer() throws AgentException {
        claimWhole();
        prepare("container", "three");
        assertRefused(Refusal.FAILED_PRECONDITION, () -> snapshots.remove("three"));
        snapshots.remove("container");
        snapshots.remove("three");
        snapshots.remove("two");
        assertThat(images.released).isEmpty();
        assertThat(snapshots.isInUse(IMAGE)).isTrue();
        snapshots.remove("one");
        await().untilAsserted(() -> assertThat(images.released).containsExactly(IMAGE));
        assertThat(snapshots.isInUse(IMAGE)).isFalse();
    }

    // --- after a crash

    @Test
    void saysThatAnImageIsIdleWhenItsLastRootIsRemoved() throws AgentException {
        claimWhole();
        prepare("container", "three");
        layer("four", "three");
        snapshots.view("look", "four", Map.of());

        snapshots.remove("container");
        crashAndRestart();
        assertThat(images.idle).isEmpty();
        snapshots.remove("look");

        await().untilAsserted(() -> assertThat(images.idle).containsExactly(IMAGE));
        assertThat(images.released).isEmpty();
    }

    @Test
    void saysAtItsStartWhichImagesAreIdle() throws AgentException {
        claimWhole();
        crashAndRestart();
        assertThat(images.idle).containsExactly(IMAGE);
        images.idle.clear();

        prepare("container", "three");
        crashAndRestart();
        assertThat(images.idle).isEmpty();
    }

    @Test
    void mountsTheImagesInUseBeforeAnythingElse() throws AgentException {
        claimWhole();
        crashAndRestart();
        assertThat(images.restored.getLast()).containsExactly(IMAGE.toString());
        assertThat(prepare("container", "three")).hasSize(1);
    }

    @Test
    void forgetsDirectoriesWhoseRecordWasNeverWritten() throws AgentException, IOException {
        prepare("key", "");
        var known = directories();
        // As a crash leaves it between rename and commit, and in the middle of making one.
        Files.createDirectories(directory().resolve("2/fs/half"));
        Files.createDirectories(directory().resolve("new-77"));
        crashAndRestart();
        assertThat(prepare("next", "")).hasSize(1);
        snapshots.cleanup();
        assertThat(directories()).hasSize(known.size() + 1);
        assertThat(directory().resolve("2/fs/half")).doesNotExist();
    }

    @Test
    void givesARecordWithoutDirectoryAnEmptyOne() throws AgentException, IOException {
        var files = Path.of(prepare("key", "").getFirst().source());
        Files.delete(files);
        Files.delete(files.resolveSibling("work"));
        Files.delete(files.getParent());
        crashAndRestart();
        assertThat(files).isEmptyDirectory();
        assertThat(files.resolveSibling("work")).isEmptyDirectory();
    }

    @Test
    void measuresWhatWasCommittedButNeverMeasured() throws AgentException {
        prepare("key", "");
        records.commit("key", "layer", Map.of(), Instant.now());
        crashAndRestart();
        await().untilAsserted(() ->
                assertThat(records.usage(records.get("layer").id())).contains(snapshots.usage("layer")));
    }

    @Test
    void deletesWhatWasRemovedButNotDeleted() throws AgentException, IOException {
        prepare("key", "");
        records.remove("key");
        crashAndRestart();
        await().untilAsserted(() -> assertThat(directories()).isEmpty());
    }
}
