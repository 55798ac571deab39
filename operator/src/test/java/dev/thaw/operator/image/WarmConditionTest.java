package dev.thaw.operator.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.Condition;
import dev.thaw.crds.ConditionStatus;
import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import dev.thaw.crds.WarmupLevel;
import dev.thaw.operator.node.WarmLevel;
import dev.thaw.operator.node.Warmth;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class WarmConditionTest {
    private static final LazyImage IMAGE = image(new LazyImageSpec.Warmup(Map.of(), WarmupLevel.FULL, 1));

    @Test
    void holdsWhenEveryNodeHoldsIt() {
        var condition = of(new Warmth(WarmLevel.FULL, 3, 3, 0, ""));
        assertThat(condition.status()).isEqualTo(ConditionStatus.TRUE);
        assertThat(condition.reason()).isEqualTo(Reason.WARMED);
        assertThat(condition.message()).isEqualTo("3 of 3 nodes hold the whole image.");
    }

    @Test
    void tellsHowFarItIs() {
        var condition = of(new Warmth(WarmLevel.TRACE, 3, 1, 0, ""));
        assertThat(condition.status()).isEqualTo(ConditionStatus.FALSE);
        assertThat(condition.reason()).isEqualTo(Reason.WARMING);
        assertThat(condition.message()).isEqualTo("1 of 3 nodes hold what starts read.");
    }

    @Test
    void namesANodeThatFails() {
        var condition = of(new Warmth(WarmLevel.FULL, 3, 1, 2, "n: the chunk cache has no room for it"));
        assertThat(condition.reason()).isEqualTo(Reason.WARMUP_FAILING);
        assertThat(condition.message()).contains("2 cannot fetch it").contains("n: the chunk cache has no room");
    }

    @Test
    void saysWhenNoNodeIsMeant() {
        assertThat(of(new Warmth(WarmLevel.FULL, 0, 0, 0, "")).reason()).isEqualTo(Reason.NO_ELIGIBLE_NODE);
    }

    @Test
    void letsStandWhatWasSaidWhileNothingIsKnown() {
        var first = WarmCondition.of(IMAGE, null, LazyImageStatus.EMPTY).orElseThrow();
        assertThat(first.status()).isEqualTo(ConditionStatus.FALSE);
        var status = status(of(new Warmth(WarmLevel.FULL, 1, 1, 0, "")));
        assertThat(WarmCondition.of(IMAGE, null, status)).isEmpty();
        assertThat(WarmCondition.isSaid(IMAGE, null, status)).isTrue();
    }

    @Test
    void isSaidOnce() {
        var warmth = new Warmth(WarmLevel.FULL, 2, 1, 0, "");
        assertThat(WarmCondition.isSaid(IMAGE, warmth, LazyImageStatus.EMPTY)).isFalse();
        var status = status(of(warmth));
        assertThat(WarmCondition.isSaid(IMAGE, warmth, status)).isTrue();
        assertThat(WarmCondition.isSaid(IMAGE, new Warmth(WarmLevel.FULL, 2, 2, 0, ""), status))
                .isFalse();
    }

    @Test
    void isNotThereWhereNoWarmUpIsWanted() {
        assertThat(WarmCondition.of(image(null), null, LazyImageStatus.EMPTY)).isEqualTo(Optional.empty());
    }

    private static Condition of(Warmth warmth) {
        return WarmCondition.of(IMAGE, warmth, LazyImageStatus.EMPTY).orElseThrow();
    }

    private static LazyImageStatus status(Condition condition) {
        return LazyImageStatus.builder().conditions(List.of(condition)).build();
    }

    private static LazyImage image(LazyImageSpec.Warmup warmup) {
        var image = new LazyImage();
        image.setSpec(LazyImageSpec.builder("registry.example/team/app:1")
                .warmup(warmup)
                .build());
        return image;
    }
}
