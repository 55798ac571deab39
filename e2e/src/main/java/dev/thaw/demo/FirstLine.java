package dev.thaw.demo;

import java.io.BufferedReader;
import java.io.IOException;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Waits for the first line that a process writes, and lets it write on. */
final class FirstLine {
    /** @param text empty when it ended without a word */
    record Line(Instant at, Optional<String> text) {}

    private final CompletableFuture<Line> found = new CompletableFuture<>();

    FirstLine(Process process) {
        Thread.ofVirtual().start(() -> read(process.inputReader()));
    }

    private void read(BufferedReader output) {
        try (output) {
            for (var line = output.readLine(); line != null; line = output.readLine()) {
                if (!line.isBlank()) {
                    found.complete(new Line(Instant.now(), Optional.of(line)));
                }
            }
            found.complete(new Line(Instant.now(), Optional.empty()));
        } catch (IOException e) {
            found.completeExceptionally(e);
        }
    }

    Line await(long seconds) throws InterruptedException, IOException {
        try {
            return found.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            return new Line(Instant.now(), Optional.empty());
        } catch (ExecutionException e) {
            throw new IOException("the container's output cannot be read", e.getCause());
        }
    }
}
