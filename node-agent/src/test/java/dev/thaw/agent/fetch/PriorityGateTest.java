package dev.thaw.agent.fetch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class PriorityGateTest {
    private final PriorityGate gate = new PriorityGate(4);
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    @AfterEach
    void close() {
        threads.shutdownNow();
        threads.close();
    }

    private AtomicInteger entering(int tickets, FetchReason reason, boolean again) {
        var in = new AtomicInteger();
        for (int i = 0; i < tickets; i++) {
            threads.submit(() -> {
                gate.ticket(reason).enter(again);
                return in.incrementAndGet();
            });
        }
        return in;
    }

    @Test
    void whatFailedBeforeLeavesHalfOfThePlacesToOthers() {
        var failed = entering(9, FetchReason.DEMAND, true);
        await().until(() -> gate.waiting(FetchReason.DEMAND) == 7);
        assertThat(failed).hasValue(2);

        var others = entering(2, FetchReason.DEMAND, false);

        await().untilAsserted(() -> assertThat(others).hasValue(2));
        assertThat(failed).hasValue(2);
        assertThat(gate.free()).isZero();
    }

    @Test
    void aPlaceThatComesFreeGoesToWhoWaitsForIt() throws Exception {
        var ticket = gate.ticket(FetchReason.DEMAND);
        ticket.enter(true);
        var failed = entering(3, FetchReason.DEMAND, true);
        await().until(() -> gate.waiting(FetchReason.DEMAND) == 2);

        ticket.leave();

        await().untilAsserted(() -> assertThat(failed).hasValue(2));
    }

    @Test
    void theBackgroundStandsStillWhileReadsAreServedUnlessARealReadWaitsForIt() throws Exception {
        var wide = new PriorityGate(8);
        var read = wide.ticket(FetchReason.DEMAND);
        read.enter(false);
        var fill = wide.ticket(FetchReason.BACKGROUND);
        fill.enter(false);
        var joined = wide.ticket(FetchReason.BACKGROUND);
        joined.enter(false);
        var gone = new AtomicInteger();
        for (var each : List.of(fill, joined)) {
            threads.submit(() -> {
                wide.giveWay(each::reason, Long.MAX_VALUE);
                return gone.incrementAndGet();
            });
        }
        await().during(Duration.ofMillis(100)).until(() -> gone.get() == 0);

        joined.promote();

        await().untilAsserted(() -> assertThat(gone).hasValue(1));
        read.leave();
        await().untilAsserted(() -> assertThat(gone).hasValue(2));
    }

    @Test
    void aStandstillEndsBeforeTheConnectionIsTakenForDead() throws Exception {
        gate.ticket(FetchReason.DEMAND).enter(false);

        gate.giveWay(() -> FetchReason.BACKGROUND, Duration.ofMillis(1).toNanos());
    }

    @Test
    void triesOnlyForPlacesThatNobodyHas() throws Exception {
        for (int i = 0; i < 3; i++) {
            gate.ticket(FetchReason.DEMAND).enter(false);
        }
        assertThat(gate.tryEnter()).isTrue();
        assertThat(gate.tryEnter()).isFalse();
        gate.leave();
        assertThat(gate.tryEnter()).isTrue();
    }
}
