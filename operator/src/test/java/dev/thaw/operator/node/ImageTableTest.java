package dev.thaw.operator.node;

import static dev.thaw.operator.node.LazyImages.digest;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.BackgroundFetch;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.PrefetchPolicy;
import dev.thaw.node.v1.ImageEvent;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ImageTableTest {
    private final ImageTable table = new ImageTable(List.of("registry.example"));
    private final List<ImageEvent> told = new ArrayList<>();

    @Test
    void tellsAllImagesThenThatTheseWereAllThenEachChange() {
        table.put(LazyImages.published("team", "app", 'a', 'b'));
        table.add(told::add);
        assertThat(told)
                .extracting(ImageEvent::getEventCase)
                .containsExactly(ImageEvent.EventCase.UPSERT, ImageEvent.EventCase.SYNCED);

        table.put(LazyImages.published("team", "app", 'a', 'c'));
        assertThat(told)
                .extracting(ImageEvent::getEventCase)
                .endsWith(ImageEvent.EventCase.SYNCED, ImageEvent.EventCase.UPSERT, ImageEvent.EventCase.REMOVED)
                .hasSize(4);
        table.put(LazyImages.published("team", "app", 'a', 'c'));
        assertThat(told).hasSize(4);
        table.remove(new ImageName("team", "app"));
        assertThat(told.getLast().getRemoved()).isEqualTo(digest('c'));
    }

    @Test
    void describesAnImageAsItsSpecAsks() {
        var image = LazyImages.published("team", "app", 'a', 'b');
        image.setSpec(LazyImageSpec.builder("registry.example/team/app:1")
                .backgroundFetch(BackgroundFetch.NEVER)
                .prefetch(new LazyImageSpec.Prefetch(PrefetchPolicy.PATHS, List.of("/model")))
                .build());
        table.put(image);
        table.add(told::add);
        var described = told.getFirst().getUpsert();
        assertThat(described.getArtifactDigest()).isEqualTo(digest('b'));
        assertThat(described.getRegistry()).isEqualTo("registry.example");
        assertThat(described.getRepository()).isEqualTo("team/app");
        assertThat(described.getLazyDigest()).isEqualTo(digest('f'));
        assertThat(described.getPlainHttp()).isTrue();
        assertThat(described.getBackgroundFetch()).isEqualTo(dev.thaw.node.v1.BackgroundFetch.BACKGROUND_FETCH_NEVER);
        assertThat(described.getPrefetchPathsList()).containsExactly("/model");
    }

    @Test
    void goesOnNamingTheImagesBefore() {
        var image = LazyImages.published("team", "app", 'a', 'b');
        image.setStatus(image.getStatus().toBuilder()
                .earlier(List.of(new LazyImageStatus.Earlier(
                        "registry.example/team/app@" + digest('1'), digest('2'), List.of(LazyImages.platform('3')))))
                .build());
        table.put(image);
        assertThat(table.publishers(digest('3'))).hasSize(1);
        assertThat(ImageTable.digests(image)).contains(digest('a'), digest('1'), digest('f'));
    }

    @Test
    void removesAnArtifactOnlyWhenNoImagePublishesItAnyMore() {
        table.put(LazyImages.published("team", "one", 'a', 'b'));
        table.put(LazyImages.published("team", "two", 'a', 'b'));
        table.add(told::add);
        table.remove(new ImageName("team", "one"));
        assertThat(told.getLast().getUpsert().getName()).isEqualTo("two");
        table.remove(new ImageName("team", "two"));
        assertThat(told.getLast().getRemoved()).isEqualTo(digest('b'));
    }

    @Test
    void knowsNothingOfAnImageThatIsNotPublished() {
        table.put(LazyImages.unpublished("team", "app"));
        table.add(told::add);
        assertThat(told).extracting(ImageEvent::getEventCase).containsExactly(ImageEvent.EventCase.SYNCED);
    }
}
