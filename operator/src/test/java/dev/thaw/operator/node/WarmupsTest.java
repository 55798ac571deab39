package dev.thaw.operator.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.WarmupLevel;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class WarmupsTest {
    private static final String ARTIFACT = LazyImages.digest('b');
    private static final ImageName NAME = new ImageName("team", "app");

    private Instant now = Instant.parse("2026-01-01T00:00:00Z");
    private final List<LazyImage> images = new ArrayList<>();
    private final List<WatchedNode> nodes = new ArrayList<>();
    private final Map<String, NodeReport> reports = new HashMap<>();
    private final Traces traces = new Traces(new MemoryTraces(), Runnable::run);
    private final Warmups warmups = warmups();

    @Test
    void tellsTheNodesThatTheSelectorNamesAndThatHaveAnAgent() {
        node("chosen", "gpu");
        node("other", "cpu");
        node("silent", "gpu");
        say("chosen", WarmLevel.NONE, WarmLevel.NONE, "");
        say("other", WarmLevel.NONE, WarmLevel.NONE, "");
        images.add(image(WarmupLevel.FULL, 5));
        warmups.plan();
        assertThat(told()).containsExactly("chosen");
    }

    @Test
    void saysHowFarItIs() {
        node("a", "gpu");
        node("b", "gpu");
        images.add(image(WarmupLevel.FULL, 5));
        pass(NodeReport.FRESH);
        say("a", WarmLevel.FULL, WarmLevel.FULL, "");
        say("b", WarmLevel.FULL, WarmLevel.NONE, "");
        warmups.plan();
        assertThat(warmups.of(images.getFirst())).isEqualTo(new Warmth(WarmLevel.FULL, 2, 1, 0, ""));
        assertThat(warmups.of(LazyImages.published("team", "unasked", 'a', 'c')))
                .isNull();
    }

    @Test
    void saysNothingUntilEveryAgentCanHaveReported() {
        node("a", "gpu");
        images.add(image(WarmupLevel.FULL, 5));
        say("a", WarmLevel.FULL, WarmLevel.FULL, "");
        warmups.plan();
        assertThat(warmups.of(images.getFirst())).isNull();
    }

    @Test
    void goesOnAfterARestartWithThoseThatWereToldBefore() {
        for (var name : List.of("a", "b", "c")) {
            node(name, "gpu");
            say(name, WarmLevel.NONE, WarmLevel.NONE, "");
        }
        say("c", WarmLevel.FULL, WarmLevel.NONE, ""); // was told by an operator that is no more
        images.add(image(WarmupLevel.FULL, 1));
        warmups.plan();
        assertThat(told()).containsExactly("c");
    }

    @Test
    void takesNothingFromANodeThatIsSilentForAWhile() {
        node("a", "gpu");
        say("a", WarmLevel.NONE, WarmLevel.NONE, "");
        images.add(image(WarmupLevel.FULL, 1));
        warmups.plan();
        pass(NodeReport.FRESH);
        warmups.plan();
        assertThat(told()).containsExactly("a");
        nodes.clear();
        warmups.plan();
        assertThat(told()).isEmpty();
    }

    @Test
    void asksForTheTraceOnceThereIsOne() {
        node("a", "gpu");
        say("a", WarmLevel.NONE, WarmLevel.NONE, "");
        images.add(image(WarmupLevel.TRACE, 1));
        pass(NodeReport.FRESH);
        say("a", WarmLevel.ENTRYPOINT, WarmLevel.ENTRYPOINT, "");
        warmups.plan();
        assertThat(warmups.of(images.getFirst())).isEqualTo(new Warmth(WarmLevel.ENTRYPOINT, 1, 1, 0, ""));

        traces.add(ARTIFACT, SampleTraces.report("c", 1, 2), Optional.empty());
        warmups.plan();
        assertThat(warmups.of(images.getFirst())).isEqualTo(new Warmth(WarmLevel.TRACE, 1, 0, 0, ""));
    }

    @Test
    void wantsItForTheLazyImageThatAsksAndForNoOther() {
        node("a", "gpu");
        node("b", "gpu");
        say("a", WarmLevel.NONE, WarmLevel.NONE, "");
        say("b", WarmLevel.NONE, WarmLevel.NONE, "");
        images.add(image(WarmupLevel.FULL, 1));
        images.add(LazyImages.published("zoo", "app", 'a', 'b'));
        warmups.plan();
        assertThat(warmups.wants(NAME, ARTIFACT, "a")).isTrue();
        assertThat(warmups.wants(NAME, ARTIFACT, "b")).isFalse();
        assertThat(warmups.wants(NAME, LazyImages.digest('c'), "a")).isFalse();
        assertThat(warmups.wants(new ImageName("zoo", "app"), ARTIFACT, "a")).isFalse();
    }

    @Test
    void tellsNodesOfAnotherPlatformNothing() {
        nodes.add(new WatchedNode("arm", Map.of("kind", "gpu"), "linux/arm64"));
        say("arm", WarmLevel.NONE, WarmLevel.NONE, "");
        images.add(image(WarmupLevel.FULL, 1));
        warmups.plan();
        assertThat(told()).isEmpty();
    }

    private Set<String> told() {
        return Stream.of("a", "b", "c", "chosen", "other", "silent", "arm")
                .filter(node -> warmups.wants(NAME, ARTIFACT, node))
                .collect(Collectors.toSet());
    }

    /** Lets time pass after a first look. */
    private void pass(Duration time) {
        warmups.plan();
        now = now.plus(time);
    }

    private Warmups warmups() {
        NodeReports said = new NodeReports() {
            @Override
            public Collection<NodeReport> all() {
                return reports.values();
            }

            @Override
            public Optional<NodeReport> of(String node) {
                return Optional.ofNullable(reports.get(node));
            }

            @Override
            public void onChange(Runnable listener) {}

            @Override
            public void forget(String node) {
                reports.remove(node);
            }
        };
        InstantSource time = () -> now;
        return new Warmups(() -> images, () -> nodes, said, traces, time.withZone(ZoneOffset.UTC));
    }

    private void node(String name, String kind) {
        nodes.add(new WatchedNode(name, Map.of("kind", kind), "linux/amd64"));
    }

    private void say(String node, WarmLevel wanted, WarmLevel reached, String error) {
        var held = List.of(new NodeReport.Image(ARTIFACT, 1, 2, false, "", 0, wanted, reached, error));
        reports.put(node, new NodeReport(node, "agent", now, "1", "2", "6.12", "erofs", "", 0, 0, held, List.of()));
    }

    private static LazyImage image(WarmupLevel level, int parallelism) {
        var image = LazyImages.published("team", "app", 'a', 'b');
        image.setSpec(LazyImageSpec.builder("registry.example/team/app:1")
                .warmup(new LazyImageSpec.Warmup(Map.of("kind", "gpu"), level, parallelism))
                .build());
        return image;
    }
}
