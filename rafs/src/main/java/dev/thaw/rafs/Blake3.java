package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * BLAKE3 with 32 bytes of output, unkeyed, of data that is there as a whole. The data is cut into chunks of 1024 bytes whose
 * values are joined pairwise into a binary tree; the root is marked by a flag (BLAKE3 specification, sections 2.1 to 2.6).
 * Not thread-safe, allocates nothing after construction.
 */
final class Blake3 {
    private static final int CHUNK_BYTES = 1024;
    private static final int BLOCK_BYTES = 64;
    private static final int CHUNK_START = 1;
    private static final int CHUNK_END = 2;
    private static final int PARENT = 4;
    private static final int ROOT = 8;
    /** Enough levels for 2^63 bytes. */
    private static final int MAX_DEPTH = 54;

    private static final int[] IV = {
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19
    };
    private static final int[] PERMUTATION = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    private static final int[][] SCHEDULE = schedule();

    private final int[] message = new int[16];
    private final int[] state = new int[16];
    private final int[] chaining = new int[8];
    /** Values of finished subtrees, eight words each, larger ones first. */
    private final int[] stack = new int[MAX_DEPTH * 8];

    /** Writes the digest of {@code data} to {@code out[0..32)}. */
    void digest(MemorySegment data, byte[] out) {
        long chunks = Math.max(1, (data.byteSize() + CHUNK_BYTES - 1) / CHUNK_BYTES);
        int depth = 0;
        for (long i = 0; i < chunks - 1; i++) {
            chunk(data, i, CHUNK_BYTES, 0);
            // As many subtrees are complete as the number of chunks so far has trailing zero bits.
            for (long total = i + 1; (total & 1) == 0; total >>>= 1) {
                depth--;
                parent(depth, 0);
            }
            System.arraycopy(chaining, 0, stack, depth * 8, 8);
            depth++;
        }
        int rest = (int) (data.byteSize() - (chunks - 1) * CHUNK_BYTES);
        chunk(data, chunks - 1, rest, depth == 0 ? ROOT : 0);
        while (depth > 0) {
            depth--;
            parent(depth, depth == 0 ? ROOT : 0);
        }
        for (int i = 0; i < 8; i++) {
            for (int b = 0; b < 4; b++) {
                out[i * 4 + b] = (byte) (chaining[i] >>> (8 * b));
            }
        }
    }

    private void chunk(MemorySegment data, long index, int length, int rootFlag) {
        System.arraycopy(IV, 0, chaining, 0, 8);
        int blocks = Math.max(1, (length + BLOCK_BYTES - 1) / BLOCK_BYTES);
        long start = index * CHUNK_BYTES;
        for (int b = 0; b < blocks; b++) {
            int blockLength = Math.min(BLOCK_BYTES, length - b * BLOCK_BYTES);
            load(data, start + (long) b * BLOCK_BYTES, blockLength);
            int flags = (b == 0 ? CHUNK_START : 0) | (b == blocks - 1 ? CHUNK_END | rootFlag : 0);
            compress(index, blockLength, flags);
        }
    }

    /** Joins the subtree on the stack at {@code depth} with the current value. */
    private void parent(int depth, int rootFlag) {
        System.arraycopy(stack, depth * 8, message, 0, 8);
        System.arraycopy(chaining, 0, message, 8, 8);
        System.arraycopy(IV, 0, chaining, 0, 8);
        compress(0, BLOCK_BYTES, PARENT | rootFlag);
    }

    private void load(MemorySegment data, long offset, int length) {
        if (length == BLOCK_BYTES) {
            for (int i = 0; i < 16; i++) {
                message[i] = data.get(Image.U32, offset + 4L * i);
            }
            return;
        }
        Arrays.fill(message, 0);
        for (int i = 0; i < length; i++) {
            message[i >>> 2] |= (data.get(ValueLayout.JAVA_BYTE, offset + i) & 0xff) << (8 * (i & 3));
        }
    }

    private void compress(long counter, int length, int flags) {
        int[] v = state;
        System.arraycopy(chaining, 0, v, 0, 8);
        System.arraycopy(IV, 0, v, 8, 4);
        v[12] = (int) counter;
        v[13] = (int) (counter >>> 32);
        v[14] = length;
        v[15] = flags;
        int[] m = message;
        for (int[] s : SCHEDULE) {
            mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
            mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
            mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
            mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
            mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
            mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
            mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
            mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
        }
        for (int i = 0; i < 8; i++) {
            chaining[i] = v[i] ^ v[i + 8];
        }
    }

    private static void mix(int[] v, int a, int b, int c, int d, int x, int y) {
        v[a] += v[b] + x;
        v[d] = Integer.rotateRight(v[d] ^ v[a], 16);
        v[c] += v[d];
        v[b] = Integer.rotateRight(v[b] ^ v[c], 12);
        v[a] += v[b] + y;
        v[d] = Integer.rotateRight(v[d] ^ v[a], 8);
        v[c] += v[d];
        v[b] = Integer.rotateRight(v[b] ^ v[c], 7);
    }

    private static int[][] schedule() {
        int[][] rounds = new int[7][16];
        for (int i = 0; i < 16; i++) {
            rounds[0][i] = i;
        }
        for (int r = 1; r < rounds.length; r++) {
            for (int i = 0; i < 16; i++) {
                rounds[r][i] = rounds[r - 1][PERMUTATION[i]];
            }
        }
        return rounds;
    }
}
