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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The number of each device, and which of the kernel's backing devices each image's mount is, on disk. The kernel remembers
 * devices by number for as long as it has them open, which is longer than the agent lives; so a number means the same for ever
 * and is never given twice.
 */
final class DeviceTable {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final Path file;
    private Content content;

    /**
     * @param next the first number that was never given
     * @param backing names of the mounts' backing devices, by image; a name is good until the machine starts again
     */
    private record Content(long next, List<Row> devices, Map<String, String> backing) {
        /** Earlier versions did not write down the last. */
        Content(long next, List<Row> devices, @Nullable Map<String, String> backing) {
            this.next = next;
            this.devices = devices;
            this.backing = backing == null ? Map.of() : backing;
        }
    }

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
                        : new Content(1, List.of(), Map.of()));
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
        write(new Content(next, List.copyOf(rows), content.backing));
        return List.copyOf(added);
    }

    /** The backing device of the image's mount, if it is known; of no use before the image was mounted, or found mounted. */
    Optional<String> backing(String image) {
        return Optional.ofNullable(content.backing.get(image));
    }

    /** Remembers an image's backing device, or that it is not known. */
    void back(String image, Optional<String> device) throws IOException {
        if (!device.equals(backing(image))) {
            var changed = new HashMap<>(content.backing);
            device.ifPresentOrElse(name -> changed.put(image, name), () -> changed.remove(image));
            write(new Content(content.next, content.devices, Map.copyOf(changed)));
        }
    }

    void remove(String image) throws IOException {
        var left =
                content.devices.stream().filter(row -> !row.image.equals(image)).toList();
        if (left.size() != content.devices.size() || content.backing.containsKey(image)) {
            var backing = new HashMap<>(content.backing);
            backing.remove(image);
            write(new Content(content.next, left, Map.copyOf(backing)));
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
