package dev.thaw.agent.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskUsageTest {
    @TempDir
    Path temp;

    @Test
    void countsEveryInodeOnce() throws IOException {
        Files.writeString(temp.resolve("file"), "x".repeat(10_000));
        Files.createLink(temp.resolve("same"), temp.resolve("file"));
        Files.createDirectories(temp.resolve("a/b"));
        Files.createSymbolicLink(temp.resolve("a/link"), Path.of("nowhere"));
        assertThat(DiskUsage.of(temp).inodes()).isEqualTo(5);
    }

    @Test
    void countsBlocksAndNotLengths() throws IOException {
        var before = DiskUsage.of(temp).sizeBytes();
        try (var sparse = new RandomAccessFile(temp.resolve("sparse").toFile(), "rw")) {
            sparse.setLength(1L << 30);
            sparse.write(new byte[100_000]);
            sparse.getFD().sync();
        }
        assertThat(DiskUsage.of(temp).sizeBytes() - before).isBetween(100_000L, 1_000_000L);
    }

    @Test
    void agreesWithDu() throws IOException, InterruptedException {
        for (int i = 0; i < 300; i++) {
            Files.createDirectories(temp.resolve("d" + i % 7 + "/e" + i % 3));
            Files.write(temp.resolve("d" + i % 7 + "/e" + i % 3 + "/f" + i), new byte[i * 37]);
        }
        // Delayed allocation changes the count while a file system writes back.
        new ProcessBuilder("sync", "-f", temp.toString()).start().waitFor();
        var du = new ProcessBuilder("du", "-s", "--block-size=1", temp.toString()).start();
        var said = new String(du.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(DiskUsage.of(temp).sizeBytes()).isEqualTo(Long.parseLong(said.split("\t", -1)[0]));
    }

    @Test
    void saysWhenThereIsNothingToMeasure() {
        assertThatThrownBy(() -> DiskUsage.of(temp.resolve("none")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("none");
    }
}
