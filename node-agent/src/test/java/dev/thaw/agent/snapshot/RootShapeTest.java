package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.SnapshotRefused;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RootShapeTest {
    private static final Path IMAGE = Path.of("/var/lib/thaw/images/ab/root");

    @TempDir
    Path temp;

    private RootShape shape;

    @BeforeEach
    void makeShape() throws AgentException {
        shape = new RootShape(new SnapshotDirectories(temp), List.of("index=off"), false);
    }

    private List<Mount> mounts(Kind kind, Lowers lowers) throws SnapshotRefused {
        return shape.mounts(kind, 9, lowers, Map.of());
    }

    @Test
    void bindsItsOwnFilesWithoutParent() throws SnapshotRefused {
        assertThat(mounts(Kind.ACTIVE, Lowers.NONE))
                .containsExactly(new Mount("bind", temp + "/9/fs", List.of("rw", "rbind")));
        assertThat(mounts(Kind.VIEW, Lowers.NONE))
                .containsExactly(new Mount("bind", temp + "/9/fs", List.of("ro", "rbind")));
    }

    @Test
    void laysAnActiveSnapshotOverItsParents() throws SnapshotRefused {
        assertThat(mounts(Kind.ACTIVE, new Lowers(List.of(5L, 2L), Optional.empty())))
                .containsExactly(new Mount(
                        "overlay",
                        "overlay",
                        List.of(
                                "workdir=" + temp + "/9/work",
                                "upperdir=" + temp + "/9/fs",
                                "lowerdir=" + temp + "/5/fs:" + temp + "/2/fs",
                                "index=off")));
    }

    @Test
    void looksAtASingleParentDirectly() throws SnapshotRefused {
        assertThat(mounts(Kind.VIEW, new Lowers(List.of(5L), Optional.empty())))
                .containsExactly(new Mount("bind", temp + "/5/fs", List.of("ro", "rbind")));
        assertThat(mounts(Kind.VIEW, new Lowers(List.of(), Optional.of(IMAGE))))
                .containsExactly(new Mount("bind", IMAGE.toString(), List.of("ro", "rbind")));
    }

    @Test
    void looksAtSeveralParentsThroughAnOverlayWithoutUpper() throws SnapshotRefused {
        assertThat(mounts(Kind.VIEW, new Lowers(List.of(5L, 2L), Optional.empty())))
                .containsExactly(new Mount(
                        "overlay", "overlay", List.of("lowerdir=" + temp + "/5/fs:" + temp + "/2/fs", "index=off")));
    }

    @Test
    void putsTheLazyImageBelowEverything() throws SnapshotRefused {
        assertThat(mounts(Kind.ACTIVE, new Lowers(List.of(5L), Optional.of(IMAGE))))
                .singleElement()
                .satisfies(mount -> assertThat(mount.options()).contains("lowerdir=" + temp + "/5/fs:" + IMAGE));
    }

    @Test
    void passesTheMappingsOfAUserNamespaceOnlyIfContainerdAskedForThem() throws AgentException {
        var labels = Map.of(RootShape.UID_MAPPING, "0:1000:10", RootShape.GID_MAPPING, "0:2000:10");
        assertThat(shape.mounts(Kind.ACTIVE, 9, Lowers.NONE, labels).getFirst().options())
                .containsExactly("rw", "rbind");
        var remapping = new RootShape(new SnapshotDirectories(temp), List.of(), true);
        assertThat(remapping
                        .mounts(Kind.ACTIVE, 9, Lowers.NONE, labels)
                        .getFirst()
                        .options())
                .containsExactly("uidmap=0:1000:10", "gidmap=0:2000:10", "rw", "rbind");
    }

    @Test
    void takesTheLayersOfAnyBuildTool() throws SnapshotRefused {
        var layers = LongStream.range(100_000, 100_127).boxed().toList();
        assertThat(mounts(Kind.ACTIVE, new Lowers(layers, Optional.of(temp.resolve("image")))))
                .hasSize(1);
    }

    @Test
    void refusesMoreLayersThanOneMountTakes() {
        var layers = LongStream.range(100_000, 100_450).boxed().toList();
        assertThatThrownBy(() -> mounts(Kind.ACTIVE, new Lowers(layers, Optional.empty())))
                .isInstanceOf(SnapshotRefused.class)
                .hasMessageContaining("450 layers")
                .hasMessageContaining("fewer layers");
    }
}
