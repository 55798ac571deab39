package dev.thaw.agent.cache;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;

/**
 * When each chunk of a blob was read last, so that eviction after a restart goes on where it was: one little-endian int for
 * each chunk, seconds since {@link DiskChunkStore#EPOCH_SECONDS}, 0 for never. Only advice: a file that is missing, torn or
 * of other length means that nothing is known, and wrong numbers cost a fetch at most.
 */
final class RecencyFile {
    private RecencyFile() {}

    /** @param now what no chunk can have been read after */
    static int[] read(Path file, int chunks, int now) throws IOException {
        var lastUse = new int[chunks];
        if (!Files.exists(file) || Files.size(file) != (long) chunks * Integer.BYTES) {
            return lastUse;
        }
        ByteBuffer.wrap(Files.readAllBytes(file))
                .order(ByteOrder.LITTLE_ENDIAN)
                .asIntBuffer()
                .get(lastUse);
        Arrays.setAll(lastUse, chunk -> Math.clamp(lastUse[chunk], 0, now));
        return lastUse;
    }

    static void write(Path file, int[] lastUse) throws IOException {
        var content = ByteBuffer.allocate(lastUse.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        content.asIntBuffer().put(lastUse);
        var part = file.resolveSibling(file.getFileName() + ".part");
        Files.write(part, content.array());
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
