package dev.thaw.agent.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** ELF files as small as can be, and the loader's cache, for tests of what a program needs. */
final class ProgramImage {
    private static final long BASE = 0x400000;

    private ProgramImage() {}

    /** A program or library that names these. @param interpreter empty for a library */
    static byte[] elf(String interpreter, List<String> needed, String runPath) {
        var strings = new StringBuilder("\0");
        var entries = new ArrayList<long[]>();
        for (var name : needed) {
            entries.add(new long[] {1, strings.length()});
            strings.append(name).append('\0');
        }
        if (!runPath.isEmpty()) {
            entries.add(new long[] {29, strings.length()});
            strings.append(runPath).append('\0');
        }
        int headers = 64 + 3 * 56;
        int interpreterAt = headers;
        int stringsAt = interpreterAt + interpreter.length() + 1;
        int dynamicAt = stringsAt + strings.length();
        entries.add(new long[] {5, BASE + stringsAt});
        entries.add(new long[] {10, strings.length()});
        entries.add(new long[] {0, 0});
        int size = dynamicAt + 16 * entries.size();
        var file = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1});
        file.putLong(32, 64);
        file.putShort(54, (short) 56);
        file.putShort(56, (short) 3);
        segment(file, 64, 1, 0, size);
        segment(file, 64 + 56, 2, dynamicAt, 16 * entries.size());
        segment(file, 64 + 112, interpreter.isEmpty() ? 0 : 3, interpreterAt, interpreter.length() + 1);
        file.put(interpreterAt, interpreter.getBytes(StandardCharsets.US_ASCII));
        file.put(stringsAt, strings.toString().getBytes(StandardCharsets.US_ASCII));
        int at = dynamicAt;
        for (var entry : entries) {
            file.putLong(at, entry[0]);
            file.putLong(at + 8, entry[1]);
            at += 16;
        }
        return file.array();
    }

    private static void segment(ByteBuffer file, int at, int type, int offset, int bytes) {
        file.putInt(at, type);
        file.putLong(at + 8, offset);
        file.putLong(at + 16, BASE + offset);
        file.putLong(at + 32, bytes);
    }

    /** {@code ld.so.cache} that knows one library. */
    static byte[] loaderCache(String name, String path) {
        var text = name + '\0' + path + '\0';
        var file = ByteBuffer.allocate(48 + 24 + text.length()).order(ByteOrder.LITTLE_ENDIAN);
        file.put("glibc-ld.so.cache1.1".getBytes(StandardCharsets.US_ASCII));
        file.putInt(20, 1);
        file.putInt(24, text.length());
        file.putInt(48, 1);
        file.putInt(52, 72);
        file.putInt(56, 72 + name.length() + 1);
        file.put(72, text.getBytes(StandardCharsets.US_ASCII));
        return file.array();
    }
}
