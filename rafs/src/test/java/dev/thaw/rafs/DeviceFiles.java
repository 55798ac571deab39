package dev.thaw.rafs;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/** Lays a blob's chunks out uncompressed, which makes the file that the kernel takes as a device. */
final class DeviceFiles {
    private DeviceFiles() {}

    static void write(Built layer, Path file) throws IOException, CorruptImageException {
        try (var channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writeAt(layer, channel, 0);
        }
    }

    /** Writes the device at a position of a file, as the flat address space has it. */
    static void writeAt(Built layer, FileChannel channel, long start) throws IOException, CorruptImageException {
        var table = layer.chunkTable();
        try (var decoder = new ChunkDecoder()) {
            for (int i = 0; i < table.count(); i++) {
                int from = (int) table.compressedOffset(i);
                byte[] stored = Arrays.copyOfRange(layer.blob(), from, from + table.compressedLength(i));
                byte[] raw = new byte[table.uncompressedLength(i)];
                decoder.decode(table, i, MemorySegment.ofArray(stored), MemorySegment.ofArray(raw));
                if (!table.digestMatches(i, MemorySegment.ofArray(raw))) {
                    throw new AssertionError("chunk " + i + " has a wrong digest");
                }
                channel.write(ByteBuffer.wrap(raw), start + table.uncompressedOffset(i));
            }
            long end = start + table.blob().uncompressedSize();
            if (channel.size() < end) {
                channel.write(ByteBuffer.allocate(1), end - 1);
            }
        }
    }
}
