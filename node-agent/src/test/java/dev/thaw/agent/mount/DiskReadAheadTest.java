package dev.thaw.agent.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskReadAheadTest {
    @TempDir
    Path temp;

    private Path devices() throws Exception {
        var disk = Files.createDirectories(temp.resolve("devices/vda"));
        Files.createDirectories(disk.resolve("queue"));
        Files.writeString(disk.resolve("queue/read_ahead_kb"), "8192\n");
        var links = Files.createDirectories(temp.resolve("block"));
        Files.createSymbolicLink(links.resolve("254:0"), disk);
        Files.createSymbolicLink(links.resolve("254:1"), Files.createDirectories(disk.resolve("vda1")));
        return links;
    }

    @Test
    void isThatOfTheDisk() throws Exception {
        assertThat(DiskReadAhead.of(devices(), 254 << 8)).hasValue(8192);
    }

    @Test
    void ofAPartitionIsThatOfItsDisk() throws Exception {
        assertThat(DiskReadAhead.of(devices(), 254 << 8 | 1)).hasValue(8192);
    }

    @Test
    void isUnknownWhereThereIsNoDisk() throws Exception {
        assertThat(DiskReadAhead.of(devices(), 0x2b)).isEmpty();
    }
}
