package dev.thaw.bench;

import dev.thaw.agent.files.Folders;
import dev.thaw.bench.Sample.Aftermath;
import dev.thaw.demo.Child;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Takes samples: each on a new node, with a cold page cache, over the link as it is to be. */
final class Trial {
    private static final Duration READY_LIMIT = Duration.ofMinutes(10);
    /** Longer than any system here waits before it fetches what nobody asked for: Thaw waits ten seconds. */
    private static final Duration SILENCE = Duration.ofSeconds(15);

    private static final Duration QUIET_LIMIT = Duration.ofMinutes(4);
    private static final long POLL_MILLIS = 5;
    private static final int POLLS_BETWEEN_LOOKS = 100;

    private final Programs programs;
    private final ShapedLink link;
    private final Path folder;
    private final Path kept;
    private final Path sandbox;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(1))
            .build();

    /**
     * @param folder that is emptied for each sample
     * @param kept for what a node may bring from another one
     * @param sandbox tar with the image that every pod has
     */
    Trial(Programs programs, ShapedLink link, Path folder, Path kept, Path sandbox) {
        this.programs = programs;
        this.link = link;
        this.folder = folder;
        this.kept = kept;
        this.sandbox = sandbox;
    }

    /** @param toTheEnd also what comes after the start, which takes longer than the start itself */
    Sample take(Contender contender, Workload workload, Link line, int run, boolean toTheEnd)
            throws IOException, InterruptedException {
        empty(folder);
        link.become(line);
        link.mend();
        dropPageCache();
        try (var node = new Node(contender, workload, programs, folder, kept, sandbox)) {
            return take(node, contender, workload, line, run, toTheEnd);
        } catch (IOException | RuntimeException e) {
            return Sample.failed(contender.name(), workload.name(), line.id(), run, said(e));
        } finally {
            link.mend();
        }
    }

    private Sample take(Node node, Contender contender, Workload workload, Link line, int run, boolean toTheEnd)
            throws IOException, InterruptedException {
        var cri = node.cri();
        var image = contender.reference(workload.image());
        var before = link.traffic();
        long beganNanos = System.nanoTime();
        var began = Instant.now();
        cri.pull(image);
        double pulled = since(began, Instant.now());
        var container = cri.create(image, workload.arguments(), "first.log");
        double created = since(began, Instant.now());
        cri.start(container);
        var atEntrypoint = link.traffic().since(before);
        double entrypoint = since(began, cri.startedAt(container));
        var answer = awaitAnswer(cri, container, READY_LIMIT);
        double ready = since(began, Instant.now());
        var atReady = link.traffic().since(before);
        double firstOutput = since(began, firstOutput(node.logs().resolve("first.log")));
        return new Sample(
                contender.name(),
                workload.name(),
                line.id(),
                run,
                null,
                pulled,
                created,
                entrypoint,
                firstOutput,
                ready,
                atEntrypoint,
                atReady,
                answer,
                toTheEnd ? aftermath(node, workload, image, container, answer, beganNanos, before) : null);
    }

    private Aftermath aftermath(
            Node node,
            Workload workload,
            String image,
            String container,
            String answer,
            long beganNanos,
            Traffic before)
            throws IOException, InterruptedException {
        var cri = node.cri();
        awaitQuiet();
        double quiet = (link.lastByteNanos() - beganNanos) / 1e9;
        var atQuiet = link.traffic().since(before);
        var snapshotterCost = node.snapshotterCost();
        var wholeCost = node.wholeCost();

        cri.remove(container);
        dropPageCache();
        var began = Instant.now();
        var second = cri.create(image, workload.arguments(), "second.log");
        cri.start(second);
        var again = awaitAnswer(cri, second, READY_LIMIT);
        double secondStart = since(began, Instant.now());
        if (!again.equals(answer)) {
            throw new IOException("the second start read " + again + ", the first " + answer);
        }
        cri.remove(second);

        Double cutStart = null;
        String cutFailure = null;
        try {
            cutStart = startCut(cri, image, workload, answer, cutLimit(secondStart));
        } catch (IOException | RuntimeException e) {
            cutFailure = said(e);
        }
        return new Aftermath(
                quiet,
                atQuiet,
                snapshotterCost.peakResidentBytes(),
                snapshotterCost.cpu().toMillis() / 1e3,
                wholeCost.cpu().toMillis() / 1e3,
                secondStart,
                cutStart,
                cutFailure);
    }

    /** Long enough to tell what hangs from what is slow, on whatever machine. */
    private static Duration cutLimit(double secondStart) {
        return Duration.ofSeconds(60 + Math.round(10 * secondStart));
    }

    private double startCut(Cri cri, String image, Workload workload, String answer, Duration limit)
            throws IOException, InterruptedException {
        dropPageCache();
        link.cut();
        try {
            var began = Instant.now();
            var container = cri.create(image, workload.arguments(), "cut.log");
            cri.start(container);
            var said = awaitAnswer(cri, container, limit);
            double took = since(began, Instant.now());
            if (!said.equals(answer)) {
                throw new IOException("it read " + said + ", with the registry " + answer);
            }
            return took;
        } finally {
            link.mend();
        }
    }

    private static double since(Instant began, Instant then) {
        return Duration.between(began, then).toNanos() / 1e9;
    }

    private static String said(Exception e) {
        var text = String.valueOf(e.getMessage());
        // the cause stands at the end
        return text.length() > 300 ? "… " + text.substring(text.length() - 300) : text;
    }

    /** Gives up early if the process has ended; how slow it may be is not judged here. */
    private String awaitAnswer(Cri cri, String container, Duration limit) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:%d/".formatted(Workload.PORT)))
                .timeout(limit)
                .build();
        long end = System.nanoTime() + limit.toNanos();
        for (int poll = 1; System.nanoTime() < end; poll++) {
            try {
                var response = http.send(request, BodyHandlers.ofString());
                if (response.statusCode() == 200) {
                    return response.body().strip();
                }
            } catch (ConnectException e) {
                // it does not listen yet
            }
            if (poll % POLLS_BETWEEN_LOOKS == 0) {
                cri.requireRunning(container);
            }
            Thread.sleep(POLL_MILLIS);
        }
        throw new IOException("no answer within " + limit.toSeconds() + " s");
    }

    /** CRI's log format: time, stream, tag and text, one line each. */
    private static Instant firstOutput(Path log) throws IOException {
        try (var lines = Files.lines(log)) {
            return lines.findFirst()
                    .map(line -> Instant.parse(line.substring(0, line.indexOf(' '))))
                    .orElseThrow(() -> new IOException("the container said nothing"));
        }
    }

    private void awaitQuiet() throws InterruptedException {
        for (long end = System.nanoTime() + QUIET_LIMIT.toNanos();
                System.nanoTime() < end && System.nanoTime() - link.lastByteNanos() < SILENCE.toNanos(); ) {
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }

    /** From now on whatever is read comes from the disk. */
    static void dropPageCache() throws IOException, InterruptedException {
        Child.run(List.of("sync"));
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3\n");
    }

    private static void empty(Path folder) throws IOException, InterruptedException {
        var mounted = Files.readAllLines(Path.of("/proc/self/mountinfo")).stream()
                .map(line -> line.split(" ", 6)[4])
                .filter(point -> Path.of(point).startsWith(folder))
                .toList();
        for (var mount : mounted.reversed()) {
            Child.run(List.of("umount", "--lazy", mount));
        }
        Folders.delete(folder);
    }
}
