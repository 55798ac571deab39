package dev.thaw.agent.mount;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.linux.Libc;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class HolderTest {
    @TempDir
    Path directory;

    private Path socket;
    private Holder holder;
    private HeldDescriptors held;

    @BeforeEach
    void start() throws IOException {
        socket = directory.resolve("holder.sock");
        holder = Holder.listen(socket);
        Thread.ofPlatform().daemon().start(() -> {
            try {
                holder.run();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        held = new HeldDescriptors(socket);
    }

    @AfterEach
    void stop() throws IOException {
        holder.close();
    }

    private int descriptorOf(String content) throws IOException {
        var file = Files.writeString(directory.resolve(content), content);
        return Libc.open(file, Libc.O_RDONLY);
    }

    private static String read(int descriptor) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(100);
            long n = Libc.pread(descriptor, buffer, 100, 0);
            return n < 0
                    ? "error " + n
                    : new String(buffer.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.US_ASCII);
        }
    }

    @Test
    void handsOutWhatItWasGivenAfterTheGiverClosedIt() throws IOException {
        int given = descriptorOf("one");
        held.put("a name with spaces", given);
        Libc.close(given);

        int copy = held.get("a name with spaces").orElseThrow();

        assertThat(read(copy)).isEqualTo("one");
        Libc.close(copy);
        assertThat(held.get("a name with spaces")).isPresent();
    }

    @Test
    void theLastOneGivenCounts() throws IOException {
        held.put("name", descriptorOf("one"));
        held.put("name", descriptorOf("two"));

        assertThat(read(held.get("name").orElseThrow())).isEqualTo("two");
    }

    @Test
    void whatWasDroppedIsGone() throws IOException {
        held.put("name", descriptorOf("one"));
        assertThat(held.holds("name")).isTrue();

        held.drop("name");

        assertThat(held.get("name")).isEmpty();
        assertThat(held.holds("name")).isFalse();
    }

    @Test
    void onlyItsOwnerMaySpeakToIt() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rw-------");
    }

    @Test
    void aSecondHolderDoesNotPushTheFirstAside() throws IOException {
        held.put("name", descriptorOf("one"));

        assertThatThrownBy(() -> Holder.listen(socket))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("already");

        assertThat(held.get("name")).isPresent();
    }

    @Test
    void nobodyThereIsNoError() {
        assertThat(new HeldDescriptors(directory.resolve("nothing")).isThere()).isFalse();
    }
}
