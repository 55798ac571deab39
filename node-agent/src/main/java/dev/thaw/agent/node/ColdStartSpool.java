package dev.thaw.agent.node;

import com.google.protobuf.Timestamp;
import dev.thaw.agent.clock.ColdStart;
import dev.thaw.agent.clock.ColdStartSink;
import dev.thaw.agent.image.ImageTraffic.Flow;
import dev.thaw.node.v1.ReportColdStartsRequest;
import dev.thaw.node.v1.Traffic;
import io.grpc.StatusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Cold starts on their way to the operator: one file each until it has taken it, so that neither its absence nor ours
 * loses one. At most {@value #MOST} are kept; then the oldest give way.
 */
public final class ColdStartSpool implements ColdStartSink, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ColdStartSpool.class);
    private static final int MOST = 1000;
    private static final int BATCH = 100;
    private static final Duration RETRY = Duration.ofSeconds(10);
    private static final Duration DEADLINE = Duration.ofSeconds(10);

    private final NodeServiceConnection connection;
    private final Path directory;
    private final BlockingQueue<ColdStart> fresh = new LinkedBlockingQueue<>(MOST);
    private final Thread sender;

    public ColdStartSpool(NodeServiceConnection connection, Path directory) throws IOException {
        this.connection = connection;
        this.directory = Files.createDirectories(directory);
        sender = Thread.ofVirtual().name("report-cold-starts").start(this::send);
    }

    @Override
    public void report(ColdStart start) {
        if (!fresh.offer(start)) {
            log.warn("a cold start of {} is not reported: too many wait already", start.artifact());
        }
    }

    private void send() {
        while (true) {
            try {
                var first = fresh.poll(RETRY.toMillis(), TimeUnit.MILLISECONDS);
                if (first != null) {
                    var starts = new ArrayList<ColdStart>(List.of(first));
                    fresh.drainTo(starts);
                    for (var start : starts) {
                        keep(start);
                    }
                }
                deliver();
            } catch (InterruptedException e) {
                return;
            } catch (IOException | StatusException e) {
                log.warn("cold starts wait in {}: {}", directory, e.getMessage());
            }
        }
    }

    private void keep(ColdStart start) throws IOException {
        // a later report of the same container replaces the earlier one
        var file = directory.resolve(start.containerId().replaceAll("[^A-Za-z0-9_.-]", "_") + ".pb");
        var part = file.resolveSibling(file.getFileName() + ".part");
        Files.write(part, message(start).toByteArray());
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private void deliver() throws IOException, StatusException, InterruptedException {
        var files = waiting();
        for (int i = 0; i < files.size() - MOST; i++) {
            Files.deleteIfExists(files.get(i));
        }
        files = waiting();
        for (int from = 0; from < files.size(); from += BATCH) {
            var batch = files.subList(from, Math.min(files.size(), from + BATCH));
            var request = ReportColdStartsRequest.newBuilder();
            for (var file : batch) {
                request.addColdStarts(dev.thaw.node.v1.ColdStart.parseFrom(Files.readAllBytes(file)));
            }
            connection
                    .service()
                    .withWaitForReady()
                    .withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS)
                    .reportColdStarts(request.build());
            for (var file : batch) {
                Files.deleteIfExists(file);
            }
        }
    }

    private List<Path> waiting() throws IOException {
        try (var files = Files.list(directory)) {
            return files.filter(file -> file.toString().endsWith(".pb"))
                    .sorted(Comparator.comparing(file -> file.toFile().lastModified()))
                    .toList();
        }
    }

    static dev.thaw.node.v1.ColdStart message(ColdStart start) {
        var message = dev.thaw.node.v1.ColdStart.newBuilder()
                .setArtifactDigest(start.artifact().toString())
                .setContainerId(start.containerId())
                .setPodNamespace(start.podNamespace())
                .setPodName(start.podName())
                .setPodUid(start.podUid())
                .setContainerName(start.containerName())
                .setRootMounted(timestamp(start.rootMounted()))
                .setStarted(timestamp(start.started()))
                .setDemand(flow(start.traffic().demand()))
                .setAhead(flow(start.traffic().ahead()))
                .setBackground(flow(start.traffic().background()))
                .setWaited(com.google.protobuf.Duration.newBuilder()
                        .setSeconds(start.traffic().waited().toSeconds())
                        .setNanos(start.traffic().waited().toNanosPart()))
                .setCold(start.cold())
                .setTouchedBytes(start.touchedBytes())
                .setImageBytes(start.traffic().totalBytes());
        start.pullBegan().ifPresent(at -> message.setPullBegan(timestamp(at)));
        return message.build();
    }

    private static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }

    private static Traffic flow(Flow flow) {
        return Traffic.newBuilder()
                .setBytes(flow.bytes())
                .setRequests(flow.requests())
                .build();
    }

    @Override
    public void close() {
        sender.interrupt();
    }
}
