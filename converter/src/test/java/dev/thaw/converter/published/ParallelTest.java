package dev.thaw.converter.published;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.converter.published.Parallel.Task;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class ParallelTest {
    @RepeatedTest(20)
    void oneAtATimeMeansInOrder() throws Exception {
        var begun = new ConcurrentLinkedQueue<Integer>();
        var tasks = new ArrayList<Task<Integer>>();
        for (var i = 0; i < 50; i++) {
            var number = i;
            tasks.add(() -> {
                begun.add(number);
                return number * 2;
            });
        }

        var results = Parallel.run(1, tasks);

        assertThat(List.copyOf(begun)).isSorted().hasSize(50);
        assertThat(results).isSorted().hasSize(50).endsWith(98);
    }

    @RepeatedTest(20)
    void nothingIsBegunAfterAFailure() {
        var begun = new AtomicInteger();
        var tasks = new ArrayList<Task<Integer>>();
        tasks.add(begun::incrementAndGet);
        tasks.add(() -> {
            throw new IOException("the second fails");
        });
        tasks.add(begun::incrementAndGet);

        assertThatThrownBy(() -> Parallel.run(1, tasks))
                .isInstanceOf(IOException.class)
                .hasMessage("the second fails");
        assertThat(begun).hasValue(1);
    }

    @Test
    void aFailureInterruptsTheOthers() {
        var waiting = new CountDownLatch(1);
        var interrupted = new AtomicInteger();
        List<Task<Integer>> tasks = List.of(
                () -> {
                    waiting.countDown();
                    try {
                        new CountDownLatch(1).await();
                        return 0;
                    } catch (InterruptedException e) {
                        return interrupted.incrementAndGet();
                    }
                },
                () -> {
                    waiting.await();
                    throw new IOException("fails");
                });

        assertThatThrownBy(() -> Parallel.run(2, tasks)).hasMessage("fails");
        assertThat(interrupted).hasValue(1);
    }
}
