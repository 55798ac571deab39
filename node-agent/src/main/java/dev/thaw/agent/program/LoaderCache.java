package dev.thaw.agent.program;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * {@code /etc/ld.so.cache} of glibc 2.32 and newer: which library is where.
 * <pre>
 * 0  magic "glibc-ld.so.cache1.1"   20 number of libraries   48 libraries, each of 24 bytes   then strings
 * library   0 flags   4 offset of the name   8 offset of the path   16 hardware capabilities
 * </pre>
 * Numbers are in the machine's own order, offsets count from the begin of the file.
 */
final class LoaderCache {
    private static final String MAGIC = "glibc-ld.so.cache1.1";
    private static final int HEADER_BYTES = 48;
    private static final int ENTRY_BYTES = 24;
    private static final int MOST_LIBRARIES = 65_536;
    private static final int LONGEST_TEXT = 4096;

    private LoaderCache() {}

    /** Paths by name; empty for what is no such file. */
    static Map<String, String> paths(ByteBuffer file) {
        var paths = new HashMap<String, String>();
        if (file.remaining() < HEADER_BYTES || !MAGIC.equals(text(file, 0, MAGIC.length()))) {
            return paths;
        }
        file.order(ByteOrder.LITTLE_ENDIAN);
        if (Integer.compareUnsigned(file.getInt(20), MOST_LIBRARIES) > 0) {
            file.order(ByteOrder.BIG_ENDIAN);
        }
        int count = file.getInt(20);
        for (int i = 0; i < count && HEADER_BYTES + (i + 1) * ENTRY_BYTES <= file.remaining(); i++) {
            int entry = HEADER_BYTES + i * ENTRY_BYTES;
            boolean forEveryMachine = file.getLong(entry + 16) == 0;
            var name = text(file, file.getInt(entry + 4), LONGEST_TEXT);
            var path = text(file, file.getInt(entry + 8), LONGEST_TEXT);
            if (forEveryMachine && !name.isEmpty() && path.startsWith("/")) {
                paths.putIfAbsent(name, path);
            }
        }
        return paths;
    }

    private static String text(ByteBuffer file, int at, int longest) {
        if (at < 0 || at >= file.remaining()) {
            return "";
        }
        int end = at;
        while (end < file.remaining() && end - at < longest && file.get(end) != 0) {
            end++;
        }
        var bytes = new byte[end - at];
        file.get(at, bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
