package dev.thaw.converter.published;

import dev.thaw.converter.report.ConversionException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;

/** Runs tasks on virtual threads, so many at a time. The first failure interrupts the others, which then clean up. */
public final class Parallel {
    private Parallel() {}

    /** One piece of work. */
    @FunctionalInterface
    public interface Task<T> {
        T run() throws Exception;
    }

    /** The results in the order of the tasks. */
    public static <T> List<T> run(int atOnce, List<? extends Task<T>> tasks) throws IOException {
        var permits = new Semaphore(atOnce, true);
        var futures = new ArrayList<Future<T>>();
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            var completion = new ExecutorCompletionService<T>(executor);
            for (var task : tasks) {
                futures.add(completion.submit(() -> {
                    permits.acquire();
                    try {
                        return task.run();
                    } finally {
                        permits.release();
                    }
                }));
            }
            try {
                for (var i = 0; i < tasks.size(); i++) {
                    completion.take().get();
                }
            } catch (ExecutionException e) {
                executor.shutdownNow();
                throw e.getCause() instanceof IOException known ? known : ConversionException.of(e);
            } catch (InterruptedException e) {
                executor.shutdownNow();
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("stopped");
            }
            var results = new ArrayList<T>();
            for (var future : futures) {
                results.add(future.resultNow());
            }
            return results;
        }
    }
}
