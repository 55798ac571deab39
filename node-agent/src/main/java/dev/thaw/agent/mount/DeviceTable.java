package dev.thaw.agent.mount;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The number of each device, on disk. The kernel remembers devices by number for as long as it has them open, which is longer
 * than the agent lives; so a number means the same for ever and is never given twice.
 */
final class DeviceTable {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final Path file;
    private Content content;

    /** @param next the first number that was never given */
    private record Content(long next, List<Row> devices) {}

    /**
     * One device.
     *
     * @param image name of the image it belongs to
     * @param index of its blob in the image's device table
     */
    record Row(long number, String image, int index, long sizeBytes) {}

    private DeviceTable(Path file, Content content) {
        this.file = file;
        this.content = content;
    }

    static DeviceTable open(Path file) throws IOException {
        return new DeviceTable(
                file,
                Files.exists(file)
                        ? JSON.readValue(Files.readAllBytes(file), Content.class)
                        : new Content(1, List.of()));
    }

    List<Row> rows() {
        return content.devices;
    }

    /** The image's devices in order; numbers are given, and are on disk, when this returns. */
    List<Row> of(String image, List<Long> sizes) throws IOException {
        var known = content.devices.stream()
                .filter(row -> row.image.equals(image))
                .sorted(Comparator.comparingInt(Row::index))
                .toList();
        if (known.stream().map(Row::sizeBytes).toList().equals(sizes)) {
            return known;
        }
        var rows = new ArrayList<>(content.devices);
        rows.removeAll(known);
        var added = new ArrayList<Row>();
        long next = content.next;
        for (int index = 0; index < sizes.size(); index++) {
            added.add(new Row(next++, image, index, sizes.get(index)));
        }
        rows.addAll(added);
        write(new Content(next, List.copyOf(rows)));
        return List.copyOf(added);
    }

    void remove(String image) throws IOException {
        var left =
                content.devices.stream().filter(row -> !row.image.equals(image)).toList();
        if (left.size() != content.devices.size()) {
            write(new Content(content.next, left));
        }
    }

    private void write(Content changed) throws IOException {
        var temporary = file.resolveSibling(file.getFileName() + ".new");
        Files.write(temporary, JSON.writeValueAsBytes(changed));
        try (var channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        content = changed;
    }
}
