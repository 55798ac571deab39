package dev.thaw.agent.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DeviceTableTest {
    @TempDir
    Path directory;

    private DeviceTable open() throws IOException {
        return DeviceTable.open(directory.resolve("devices.json"));
    }

    private static List<Long> numbers(List<DeviceTable.Row> rows) {
        return rows.stream().map(DeviceTable.Row::number).toList();
    }

    @Test
    void anImageKeepsItsNumbersAcrossRestarts() throws IOException {
        var table = open();
        var one = table.of("one", List.of(4096L, 8192L));
        var two = table.of("two", List.of(4096L));

        var again = open();

        assertThat(again.of("one", List.of(4096L, 8192L))).isEqualTo(one);
        assertThat(again.of("two", List.of(4096L))).isEqualTo(two);
        assertThat(again.rows()).hasSize(3);
    }

    @Test
    void anImagesBackingDeviceIsKnownAcrossRestartsUntilTheImageGoes() throws IOException {
        var table = open();
        table.of("one", List.of(4096L));
        table.back("one", Optional.of("erofs-7"));

        assertThat(open().backing("one")).hasValue("erofs-7");
        assertThat(open().backing("two")).isEmpty();
        table.remove("one");
        assertThat(open().backing("one")).isEmpty();
    }

    @Test
    void aTableOfAnEarlierVersionIsRead() throws IOException {
        Files.writeString(directory.resolve("devices.json"), """
                {"next":3,"devices":[{"number":2,"image":"one","index":0,"sizeBytes":4096}]}""");

        assertThat(numbers(open().of("one", List.of(4096L)))).containsExactly(2L);
        assertThat(open().backing("one")).isEmpty();
    }

    @Test
    void aNumberIsNeverGivenTwice() throws IOException {
        var table = open();
        var first = numbers(table.of("one", List.of(4096L, 8192L)));
        table.remove("one");

        var second = numbers(open().of("one", List.of(4096L, 8192L)));

        assertThat(second).doesNotContainAnyElementsOf(first);
    }

    @Test
    void anImageOfAnotherShapeGetsNewNumbers() throws IOException {
        var table = open();
        var first = numbers(table.of("one", List.of(4096L)));

        assertThat(numbers(table.of("one", List.of(8192L)))).doesNotContainAnyElementsOf(first);
        assertThat(table.rows()).hasSize(1);
    }
}
