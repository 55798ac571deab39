package dev.thaw.converter.published;

import dev.thaw.converter.report.ConversionException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/** Runs tasks on virtual threads, so many at a time. The first failure interrupts the others, which then clean up. */
public final class Parallel {
    private Parallel() {}

    /** One piece of work. */
    @FunctionalInterface
    public interface Task<T> {
        T run() throws Exception;
    }

    /** The results in the order of the tasks, which is also the order in which they are begun. */
    public static <T> List<T> run(int atOnce, List<? extends Task<T>> tasks) throws IOException {
        var results = new AtomicReferenceArray<T>(tasks.size());
        var next = new AtomicInteger();
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            var completion = new ExecutorCompletionService<@Nullable Void>(executor);
            var workers = Math.min(atOnce, tasks.size());
            for (var i = 0; i < workers; i++) {
                completion.submit(() -> {
                    for (var n = next.getAndIncrement(); n < tasks.size(); n = next.getAndIncrement()) {
                        results.set(n, tasks.get(n).run());
                    }
                    return null;
                });
            }
            try {
                for (var i = 0; i < workers; i++) {
                    completion.take().get();
                }
            } catch (ExecutionException e) {
                next.set(tasks.size());
                executor.shutdownNow();
                throw e.getCause() instanceof IOException known ? known : ConversionException.of(e);
            } catch (InterruptedException e) {
                next.set(tasks.size());
                executor.shutdownNow();
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("stopped");
            }
        }
        var ordered = new ArrayList<T>();
        for (var n = 0; n < tasks.size(); n++) {
            ordered.add(results.get(n));
        }
        return ordered;
    }
}
