package dev.thaw.operator.node;

import static dev.thaw.operator.node.SampleTraces.report;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.PrefetchPolicy;
import dev.thaw.node.v1.ImageEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TracesTest {
    private static final String ARTIFACT = LazyImages.digest('b');

    private final MemoryTraces store = new MemoryTraces();
    private final Traces traces = new Traces(store, Runnable::run);

    @Test
    void givesWhatItLearned() {
        assertThat(traces.merged(ARTIFACT)).isEqualTo(MergedTrace.NOTHING);
        add("a", 3, 1, 2);
        assertThat(traces.merged(ARTIFACT).chunks().getChunkList()).containsExactly(3, 1, 2);
        assertThat(traces.isLearning(ARTIFACT)).isTrue();
    }

    @Test
    void takesTheLaterReportOfAStartForTheEarlierOne() {
        add("a", 3, 1);
        add("a", 3, 1, 2);
        assertThat(store.saved.get(ARTIFACT)).hasSize(1);
        assertThat(traces.merged(ARTIFACT).chunks().getChunkList()).containsExactly(3, 1, 2);
    }

    @Test
    void savesNothingWhenNothingIsNew() {
        add("a", 1);
        add("a", 1);
        add("b");
        assertThat(store.saves).isEqualTo(1);
    }

    @Test
    void learnsNoMoreOnceItHasSeenEnough() {
        for (int i = 0; i < Traces.ENOUGH; i++) {
            add("c" + i, 1, 2);
        }
        assertThat(traces.isLearning(ARTIFACT)).isFalse();
        add("late", 1, 2, 3);
        assertThat(store.saves).isEqualTo(Traces.ENOUGH);
        add("c0", 1, 2, 3); // but goes on with those that it knows
        assertThat(store.saves).isEqualTo(Traces.ENOUGH + 1);
    }

    @Test
    void knowsAfterARestartWhatItKnewBefore() {
        add("a", 3, 1, 2);
        add("b", 3, 1, 2);
        var restarted = new Traces(store, Runnable::run);
        assertThat(restarted.merged(ARTIFACT)).isEqualTo(traces.merged(ARTIFACT));
        restarted.add(ARTIFACT, report("b", 3, 1, 2, 4), Optional.empty());
        assertThat(store.saved.get(ARTIFACT)).hasSize(2);
    }

    @Test
    void keepsWhatItHasWhenMoreDoesNotFit() {
        store.most = 1;
        add("a", 3, 1, 2);
        add("b", 9);
        assertThat(traces.merged(ARTIFACT).chunks().getChunkList()).containsExactly(3, 1, 2);
        assertThat(traces.isLearning(ARTIFACT)).isFalse();
    }

    @Test
    void forgetsWhatIsNoLongerPublished() {
        add("a", 1);
        traces.changed(ImageEvent.newBuilder().setRemoved(ARTIFACT).build());
        assertThat(store.saved).isEmpty();
        assertThat(traces.merged(ARTIFACT)).isEqualTo(MergedTrace.NOTHING);
    }

    @Test
    void forgetsWhatWasUnpublishedWhileItWasAway() {
        var other = LazyImages.digest('c');
        add("a", 1);
        store.saved.put(other, List.of(report("x", 1)));
        traces.retain(Set.of(ARTIFACT));
        assertThat(store.saved).containsOnlyKeys(ARTIFACT);
    }

    @Test
    void saysInTheStatusWhatItLearned() {
        var image = LazyImages.published("team", "app", 'a', 'b');
        assertThat(traces.figures(image)).isNull();
        traces.add(
                ARTIFACT,
                report("a", 1, 2).toBuilder()
                        .setPrefetchedBytes(400)
                        .setPrefetchedUsedBytes(300)
                        .build(),
                Optional.empty());
        assertThat(traces.figures(image)).satisfies(figures -> {
            assertThat(figures.starts()).isEqualTo(1);
            assertThat(figures.chunks()).isEqualTo(2);
            assertThat(figures.bytes()).isEqualTo(2000);
            assertThat(figures.used()).startsWith("75");
        });
    }

    @Test
    void saysNothingOfAnImageThatIsNotToBeLearned() {
        var image = LazyImages.published("team", "app", 'a', 'b');
        image.setSpec(LazyImageSpec.builder("registry.example/team/app:1")
                .prefetch(new LazyImageSpec.Prefetch(PrefetchPolicy.PATHS, List.of("/bin")))
                .build());
        add("a", 1);
        assertThat(traces.figures(image)).isNull();
    }

    @Test
    void tellsWhoeverListensThatItLearned() {
        var heard = new ArrayList<String>();
        traces.onChange(() -> heard.add("news"));
        add("a", 1);
        add("a", 1);
        assertThat(heard).hasSize(1);
    }

    private void add(String container, int... chunks) {
        traces.add(ARTIFACT, report(container, chunks), Optional.empty());
    }
}
