package dev.thaw.agent.mount;

import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.LocalSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalInt;

/** The agent's end of the {@link Holder}: descriptors that outlive this process. */
public final class HeldDescriptors {
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private final Path socket;

    public HeldDescriptors(Path socket) {
        this.socket = socket;
    }

    /** Whether a holder answers. */
    public boolean isThere() {
        if (!Files.exists(socket)) {
            return false;
        }
        try {
            ask("list", -1);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Whether a holder answers and has a descriptor of that name. */
    public boolean holds(String name) {
        try {
            return Files.exists(socket)
                    && ask("list", -1).text().lines().skip(1).anyMatch(name::equals);
        } catch (IOException e) {
            return false;
        }
    }

    public void put(String name, int descriptor) throws IOException {
        ask("put " + name, descriptor);
    }

    /** A copy of the descriptor, which the caller closes. */
    public OptionalInt get(String name) throws IOException {
        var answer = ask("get " + name, -1);
        return answer.descriptor() < 0 ? OptionalInt.empty() : OptionalInt.of(answer.descriptor());
    }

    public void drop(String name) throws IOException {
        ask("drop " + name, -1);
    }

    private LocalSocket.Message ask(String request, int descriptor) throws IOException {
        try (var connection = LocalSocket.connect(socket, PATIENCE)) {
            connection.send(request, descriptor);
            var answer = connection.receive();
            if (!answer.text().startsWith(Holder.OK)) {
                if (answer.descriptor() >= 0) {
                    Libc.close(answer.descriptor());
                }
                throw new IOException(
                        "the holder at %s answered '%s' to '%s'".formatted(socket, answer.text(), request));
            }
            return answer;
        }
    }
}
