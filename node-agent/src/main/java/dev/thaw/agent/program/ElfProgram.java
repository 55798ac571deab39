package dev.thaw.agent.program;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.rafs.CorruptImageException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the loader needs of a program or library: ELF of 64 bits, as in elf(5). Anything else needs nothing.
 * <pre>
 * header           4 class (2 = 64 bits)   5 byte order (1 = little)   32 program headers at   54 size of one   56 their number
 * program header   0 type (1 LOAD, 2 DYNAMIC, 3 INTERP)   8 file offset   16 address   32 bytes in the file
 * dynamic entry    0 tag (1 NEEDED, 5 STRTAB, 10 STRSZ, 15 RPATH, 29 RUNPATH)   8 value
 * </pre>
 *
 * @param interpreter path of the loader
 * @param needed names of libraries, or paths where they hold a slash
 * @param searched folders that the file itself names, {@code $ORIGIN} in them as it is
 */
record ElfProgram(Optional<String> interpreter, List<String> needed, List<String> searched) {
    static final ElfProgram NONE = new ElfProgram(Optional.empty(), List.of(), List.of());

    private static final int HEADER_BYTES = 64;
    private static final int MOST_PROGRAM_HEADERS = 128;
    private static final int MOST_DYNAMIC_BYTES = 64 << 10;
    private static final int MOST_STRING_BYTES = 1 << 20;
    private static final int MOST_PATH_BYTES = 4096;

    private static final int LOAD = 1;
    private static final int DYNAMIC = 2;
    private static final int INTERP = 3;

    private static final int NEEDED = 1;
    private static final int STRTAB = 5;
    private static final int STRSZ = 10;
    private static final int RPATH = 15;
    private static final int RUNPATH = 29;

    private record Segment(int type, long offset, long address, long bytes) {}

    /** What the file asks of the loader; {@link #NONE} for what is no such program, or a damaged one. */
    static ElfProgram of(ImageFile file) throws CorruptImageException, ReadFailed, InterruptedException {
        var header = file.read(0, HEADER_BYTES);
        if (header.remaining() < HEADER_BYTES || header.getInt(0) != 0x7f454c46 || header.get(4) != 2) {
            return NONE;
        }
        var order = header.get(5) == 1 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
        header.order(order);
        int size = Short.toUnsignedInt(header.getShort(54));
        int count = Math.min(Short.toUnsignedInt(header.getShort(56)), MOST_PROGRAM_HEADERS);
        if (size < 56) {
            return NONE;
        }
        var table = file.read(header.getLong(32), size * count).order(order);
        var segments = new ArrayList<Segment>();
        for (int at = 0; at + size <= table.remaining(); at += size) {
            segments.add(new Segment(
                    table.getInt(at), table.getLong(at + 8), table.getLong(at + 16), table.getLong(at + 32)));
        }
        Optional<String> interpreter = Optional.empty();
        for (var segment : segments) {
            if (segment.type == INTERP && segment.bytes > 0 && segment.bytes <= MOST_PATH_BYTES) {
                interpreter = text(file.read(segment.offset, (int) segment.bytes), 0);
            }
        }
        return dynamic(file, segments, order, interpreter);
    }

    private static ElfProgram dynamic(
            ImageFile file, List<Segment> segments, ByteOrder order, Optional<String> interpreter)
            throws CorruptImageException, ReadFailed, InterruptedException {
        var needed = new ArrayList<Long>();
        var searched = new ArrayList<Long>();
        long strings = -1;
        long stringBytes = 0;
        for (var segment : segments) {
            if (segment.type != DYNAMIC) {
                continue;
            }
            var entries = file.read(segment.offset, Math.clamp(segment.bytes, 0, MOST_DYNAMIC_BYTES))
                    .order(order);
            for (int at = 0; at + 16 <= entries.remaining() && entries.getLong(at) != 0; at += 16) {
                long value = entries.getLong(at + 8);
                switch ((int) entries.getLong(at)) {
                    case NEEDED -> needed.add(value);
                    case RPATH, RUNPATH -> searched.add(value);
                    case STRTAB -> strings = offset(segments, value);
                    case STRSZ -> stringBytes = value;
                    default -> {} // of no matter here
                }
            }
        }
        var table = strings < 0
                ? ByteBuffer.allocate(0)
                : file.read(strings, Math.clamp(stringBytes, 0, MOST_STRING_BYTES));
        return new ElfProgram(
                interpreter,
                needed.stream().flatMap(at -> text(table, at).stream()).toList(),
                searched.stream()
                        .flatMap(at -> text(table, at).stream())
                        .flatMap(list -> List.of(list.split(":", -1)).stream())
                        .toList());
    }

    private static long offset(List<Segment> segments, long address) {
        return segments.stream()
                .filter(segment ->
                        segment.type == LOAD && address >= segment.address && address - segment.address < segment.bytes)
                .mapToLong(segment -> address - segment.address + segment.offset)
                .findFirst()
                .orElse(-1);
    }

    /** The text from there to the next NUL. */
    private static Optional<String> text(ByteBuffer from, long at) {
        if (at < 0 || at >= from.remaining()) {
            return Optional.empty();
        }
        int end = (int) at;
        while (end < from.remaining() && end - at < MOST_PATH_BYTES && from.get(end) != 0) {
            end++;
        }
        var bytes = new byte[end - (int) at];
        from.get((int) at, bytes);
        return bytes.length == 0 ? Optional.empty() : Optional.of(new String(bytes, StandardCharsets.UTF_8));
    }
}
