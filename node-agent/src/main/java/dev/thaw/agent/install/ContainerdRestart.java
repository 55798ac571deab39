package dev.thaw.agent.install;

import dev.thaw.agent.config.AgentSettings;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes containerd read its changed configuration. Containers are not touched: their shims live on without it. */
public final class ContainerdRestart {
    private static final Logger log = LoggerFactory.getLogger(ContainerdRestart.class);
    private static final Duration LIMIT = Duration.ofSeconds(90);

    private final AgentSettings.Containerd containerd;
    private final Path proc;

    public ContainerdRestart(AgentSettings.Containerd containerd) {
        this(containerd, Path.of("/proc"));
    }

    ContainerdRestart(AgentSettings.Containerd containerd, Path proc) {
        this.containerd = containerd;
        this.proc = proc;
    }

    /**
     * Restarts containerd as the settings say and waits until it answers again.
     *
     * @throws IOException when it cannot be restarted, or does not come back within 90 seconds
     */
    public void restart() throws IOException, InterruptedException {
        switch (containerd.restart()) {
            case None -> log.warn("containerd's configuration changed: restart containerd for it to count");
            case Systemd -> {
                run(
                        "nsenter",
                        "--target",
                        "1",
                        "--mount",
                        "--uts",
                        "--ipc",
                        "--net",
                        "--pid",
                        "--",
                        "systemctl",
                        "restart",
                        "containerd.service");
                awaitAnswer();
            }
            case Signal -> {
                var process = find();
                log.info(
                        "containerd (process {}) is told to end; what started it is expected to start it again",
                        process.pid());
                process.destroy();
                awaitEnd(process);
                awaitAnswer();
            }
        }
    }

    private static void run(String... command) throws IOException, InterruptedException {
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        if (!process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException(
                    "`%s` did not end within %d s".formatted(String.join(" ", command), LIMIT.toSeconds()));
        }
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (process.exitValue() != 0) {
            throw new IOException(
                    "`%s` failed with %d: %s; set containerd.restart to Signal or None where there is no systemd"
                            .formatted(String.join(" ", command), process.exitValue(), output));
        }
    }

    /** The one process named containerd that runs from our configuration file, or from the default one. */
    ProcessHandle find() throws IOException {
        List<ProcessHandle> all = ProcessHandle.allProcesses()
                .filter(process -> "containerd".equals(comm(process.pid())))
                .toList();
        var named = all.stream()
                .filter(process -> commandLine(process.pid())
                        .contains(containerd.configPath().toString()))
                .toList();
        var candidates = named.isEmpty() ? all : named;
        if (candidates.size() != 1) {
            throw new IOException(
                    "%d processes are named containerd, so none is signalled: set containerd.restart to Systemd or None"
                            .formatted(candidates.size()));
        }
        return candidates.getFirst();
    }

    private String comm(long pid) {
        return read(pid, "comm").strip();
    }

    private String commandLine(long pid) {
        return read(pid, "cmdline").replace('\0', ' ');
    }

    private String read(long pid, String file) {
        try {
            return Files.readString(proc.resolve(Long.toString(pid)).resolve(file));
        } catch (IOException ended) {
            return "";
        }
    }

    private static void awaitEnd(ProcessHandle process) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (process.isAlive()) {
            if (System.nanoTime() > deadline) {
                throw new IOException("containerd (process %d) did not end".formatted(process.pid()));
            }
            Thread.sleep(50);
        }
    }

    private void awaitAnswer() throws IOException, InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        Optional<IOException> last;
        do {
            last = connect();
            if (last.isEmpty()) {
                return;
            }
            Thread.sleep(100);
        } while (System.nanoTime() < deadline);
        throw new IOException(
                "containerd does not answer on %s after its restart: look at its log".formatted(containerd.socket()),
                last.get());
    }

    private Optional<IOException> connect() {
        try (var channel = SocketChannel.open(UnixDomainSocketAddress.of(containerd.socket()))) {
            return channel.isConnected() ? Optional.empty() : Optional.of(new IOException("not connected"));
        } catch (IOException e) {
            return Optional.of(e);
        }
    }
}
