package dev.thaw.agent.install;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The marked lines that Thaw keeps at the end of a file that is not its own. Works on bytes, so that what others wrote
 * comes back exactly, whatever its line ends and encoding.
 *
 * <pre>
 * …the file as it was…
 * # BEGIN thaw: written by `thaw-agent install`, taken back by `thaw-agent uninstall`
 * …
 * # END thaw
 * </pre>
 */
final class ManagedBlock {
    private static final byte[] BEGIN =
            bytes("# BEGIN thaw: written by `thaw-agent install`, taken back by `thaw-agent uninstall`\n");
    /** Tells that the file did not end in a line feed, which the block had to add. */
    private static final byte[] BEGIN_MID_LINE = bytes(
            "# BEGIN thaw (no line feed before): written by `thaw-agent install`, taken back by `thaw-agent uninstall`\n");

    private static final byte[] END = bytes("# END thaw\n");

    private ManagedBlock() {}

    static boolean isIn(byte[] file) {
        return indexOf(file, BEGIN, 0) >= 0 || indexOf(file, BEGIN_MID_LINE, 0) >= 0;
    }

    /** The file with the block behind it; an older block is replaced. */
    static byte[] appendTo(byte[] file, String lines) {
        var before = removeFrom(file);
        boolean midLine = before.length > 0 && before[before.length - 1] != '\n';
        return concat(before, midLine ? bytes("\n") : new byte[0], midLine ? BEGIN_MID_LINE : BEGIN, bytes(lines), END);
    }

    /** The file without the block, otherwise byte for byte as it is; without a block, the file. */
    static byte[] removeFrom(byte[] file) {
        boolean midLine = indexOf(file, BEGIN_MID_LINE, 0) >= 0;
        int begin = indexOf(file, midLine ? BEGIN_MID_LINE : BEGIN, 0);
        if (begin < 0) {
            return file;
        }
        int end = indexOf(file, END, begin);
        int rest = end < 0 ? file.length : end + END.length;
        return concat(Arrays.copyOf(file, midLine ? begin - 1 : begin), Arrays.copyOfRange(file, rest, file.length));
    }

    private static int indexOf(byte[] in, byte[] what, int from) {
        for (int i = from; i <= in.length - what.length; i++) {
            if (Arrays.equals(in, i, i + what.length, what, 0, what.length)) {
                return i;
            }
        }
        return -1;
    }

    private static byte[] concat(byte[]... parts) {
        var joined = new byte[Arrays.stream(parts).mapToInt(part -> part.length).sum()];
        int at = 0;
        for (var part : parts) {
            System.arraycopy(part, 0, joined, at, part.length);
            at += part.length;
        }
        return joined;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
