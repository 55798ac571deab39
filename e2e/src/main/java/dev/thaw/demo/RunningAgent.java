package dev.thaw.demo;

import dev.thaw.oci.Digest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The agent of the only node: the process that serves, and the one that holds its mounts. */
final class RunningAgent {
    private final Path root;
    private final Path socket;
    private final Child agent;

    /**
     * @param run folder for sockets
     * @param containerd where the agent looks for containerd
     */
    RunningAgent(
            Workplace place,
            Cleanup cleanup,
            Path run,
            Path containerd,
            RunningOperator operator,
            String token,
            String registry)
            throws Exception {
        root = place.folder("agent");
        socket = run.resolve("agent.sock");
        var holder = run.resolve("holder.sock");
        var tokenFile = run.resolve("token");
        var authority = run.resolve("ca.crt");
        var settings = run.resolve("agent.yaml");
        Files.writeString(tokenFile, token);
        Files.writeString(authority, operator.authority());
        Files.writeString(settings, """
                root: %s
                socket: %s
                holder: %s
                http: {address: 127.0.0.1, port: 0}
                containerd: {socket: %s}
                registries:
                  - {host: "%s", plainHttp: true}
                nodeService: {address: "127.0.0.1:%d", serverName: %s, caFile: %s, tokenFile: %s}
                """.formatted(
                        root,
                        socket,
                        holder,
                        containerd,
                        registry,
                        operator.nodeServicePort(),
                        RunningOperator.NODE_SERVICE,
                        authority,
                        tokenFile));
        var environment = Map.of("NODE_NAME", EmbeddedCluster.NODE);
        var program = ThawProgram.agent();
        var held = cleanup.keep(
                () -> Child.start("the holder", program.holder(holder), environment, place.path("holder.log")));
        held.awaitFile(holder);
        agent = cleanup.keep(() -> Child.start(
                "the agent",
                program.command("serve", "--config", settings.toString()),
                environment,
                place.path("agent.log")));
        agent.awaitFile(socket);
    }

    Path socket() {
        return socket;
    }

    /** How it mounts, and why so, in its own words. */
    String driver() throws IOException {
        var mark = "mounting with driver ";
        return Files.readAllLines(agent.log()).stream()
                .filter(line -> line.contains(mark))
                .map(line -> line.substring(line.indexOf(mark) + mark.length()))
                .findFirst()
                .orElse("unknown");
    }

    /** Waits until the agent has heard of an image from the operator: it keeps its table of images in a file. */
    void awaitImage(Digest artifact) throws IOException, InterruptedException {
        var table = root.resolve("images.pb");
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                !Files.exists(table)
                        || !Files.readString(table, StandardCharsets.ISO_8859_1).contains(artifact.toString());
                Thread.sleep(10)) {
            if (System.nanoTime() > end || !agent.isAlive()) {
                throw new IOException("the agent does not hear of the image:\n" + agent.tail());
            }
        }
    }

    String tail() throws IOException {
        return agent.tail();
    }
}
