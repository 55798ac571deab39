package dev.thaw.agent.registry;

import dev.thaw.agent.registry.CredentialProviderConfig.Provider;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs kubelet's plugins where kubelet runs them: on the node. In a container that is the mount namespace of the node's first
 * process, so that the plugin finds its libraries and the files that its arguments name.
 */
final class NodeProgram implements CredentialProvider.Plugin {
    /** Half of what kubelet bears; a read waits for it. */
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private static final int MOST_OUTPUT_BYTES = 1 << 20;
    private static final int SHOWN_ERROR_CHARACTERS = 300;
    /** Of our own surroundings, what a program on the node may need to reach anything; all else is ours alone. */
    private static final List<String> PASSED_ON =
            List.of("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy");

    private static final String NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private final Path folder;
    private final boolean inContainer;
    private final Duration limit;

    /** @param folder of the programs, on the node */
    NodeProgram(Path folder) {
        this(folder, isInContainer(), LIMIT);
    }

    NodeProgram(Path folder, boolean inContainer, Duration limit) {
        this.folder = folder;
        this.inContainer = inContainer;
        this.limit = limit;
    }

    /** The node's file of this path, as we reach it. */
    static Path onNode(Path path) {
        return isInContainer() ? Path.of("/proc/1/root" + path) : path;
    }

    private static boolean isInContainer() {
        try {
            return !Files.readSymbolicLink(Path.of("/proc/self/ns/mnt"))
                    .equals(Files.readSymbolicLink(Path.of("/proc/1/ns/mnt")));
        } catch (IOException notOurs) {
            // Who may not look at the first process may not enter its namespace either.
            return false;
        }
    }

    @Override
    public byte[] run(Provider provider, byte[] request) throws IOException, InterruptedException {
        var command = new ArrayList<String>();
        if (inContainer) {
            command.addAll(List.of("nsenter", "--target", "1", "--mount", "--"));
        }
        command.add(folder.resolve(provider.name()).toString());
        command.addAll(provider.args());
        var builder = new ProcessBuilder(command);
        var environment = builder.environment();
        environment.keySet().retainAll(PASSED_ON);
        environment.put("PATH", NODE_PATH);
        environment.putAll(provider.env());
        var process = builder.start();
        try {
            var output = new FutureTask<>(() -> bounded(process.getInputStream()));
            var error = new FutureTask<>(() -> bounded(process.getErrorStream()));
            var input = new FutureTask<>(() -> {
                try (var in = process.getOutputStream()) {
                    in.write(request);
                }
                return request;
            });
            for (var part : List.of(output, error, input)) {
                Thread.ofVirtual().start(part);
            }
            if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new IOException("it did not end within %d ms".formatted(limit.toMillis()));
            }
            if (process.exitValue() != 0) {
                throw new IOException("it ended with %d: %s"
                        .formatted(process.exitValue(), printable(error.get(1, TimeUnit.SECONDS))));
            }
            // A child of the plugin may hold the pipe open for longer than the plugin lives.
            return output.get(1, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new IOException(
                    e.getCause() == null ? e.getMessage() : e.getCause().getMessage(), e);
        } catch (TimeoutException e) {
            throw new IOException("its output did not end with it", e);
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private static byte[] bounded(InputStream from) throws IOException {
        var all = new ByteArrayOutputStream();
        var buffer = new byte[8 << 10];
        for (int n = from.read(buffer); n >= 0; n = from.read(buffer)) {
            if (all.size() + n > MOST_OUTPUT_BYTES) {
                throw new IOException("it said more than %d bytes".formatted(MOST_OUTPUT_BYTES));
            }
            all.write(buffer, 0, n);
        }
        return all.toByteArray();
    }

    private static String printable(byte[] text) {
        var line = new String(text, StandardCharsets.UTF_8).strip().replaceAll("\\p{Cntrl}+", " ");
        return line.length() <= SHOWN_ERROR_CHARACTERS ? line : line.substring(0, SHOWN_ERROR_CHARACTERS) + "…";
    }
}
