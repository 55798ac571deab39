package dev.thaw.rafs.gzip;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.rafs.scan.Checkpoint;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GzipScanTest {
    private static final int GRAIN = 32 << 10;
    private static final byte[] TEXT = Text.of(160_000);

    /** A checkpoint, and how much of the stored stream was said to be enough for some bytes from it on. */
    private record Entry(Checkpoint checkpoint, long storedEnd, long outEnd) {}

    private static List<Entry> entries(byte[] gzip, byte[] plain) throws IOException {
        var entries = new ArrayList<Entry>();
        try (var scan = new GzipScan(new Trickle(gzip), GRAIN)) {
            var read = new ByteArrayOutputStream();
            byte[] piece = new byte[5000];
            for (int n = scan.read(piece); n >= 0; n = scan.read(piece)) {
                read.write(piece, 0, n);
                var checkpoint = scan.checkpoint(read.size() - 1);
                entries.add(new Entry(checkpoint, scan.storedEnd(read.size()), read.size()));
            }
            assertThat(read.toByteArray()).isEqualTo(plain);
        }
        return entries;
    }

    /** Reads the stream, and then enters it at every checkpoint; returns how many bits each carried. */
    private static List<Integer> assertEnterable(byte[] gzip, byte[] plain) throws IOException {
        var bits = new ArrayList<Integer>();
        Checkpoint last = null;
        for (var entry : entries(gzip, plain)) {
            var at = entry.checkpoint;
            int length = (int) (entry.outEnd - at.outOffset());
            byte[] stored = Arrays.copyOfRange(gzip, (int) at.inOffset(), (int) entry.storedEnd);
            try (var resumed =
                    new ResumedGzip(new ByteArrayInputStream(stored), at.bits(), at.carriedByte(), at.window())) {
                assertThat(resumed.readNBytes(length))
                        .isEqualTo(Arrays.copyOfRange(plain, (int) at.outOffset(), (int) entry.outEnd));
            }
            if (at != last) {
                bits.add(at.bits());
                byte[] rest = Arrays.copyOfRange(gzip, (int) at.inOffset(), gzip.length);
                try (var resumed = new ResumedGzip(new Trickle(rest), at.bits(), at.carriedByte() | 0, at.window())) {
                    assertThat(resumed.readAllBytes())
                            .isEqualTo(Arrays.copyOfRange(plain, (int) at.outOffset(), plain.length));
                }
            }
            last = at;
        }
        return bits;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gzip-6.gz",
                "gzip-1-named.gz",
                "pigz.gz",
                "zopfli.gz",
                "igzip-0.gz",
                "igzip-1.gz",
                "python-zlib.gz",
                "go.gz"
            })
    void entersStreamsOfOtherCompressors(String file) throws Exception {
        byte[] gzip;
        try (var in = Objects.requireNonNull(getClass().getResourceAsStream(file))) {
            gzip = in.readAllBytes();
        }

        assertThat(assertEnterable(gzip, TEXT)).isNotEmpty();
    }

    @Test
    void entersStreamsOfJava() throws Exception {
        assertThat(assertEnterable(gzip(TEXT), TEXT).size()).isGreaterThan(2);
    }

    @Test
    void entersAtEveryBitOfAByteAndManyTimes() throws Exception {
        var plain = new ByteArrayOutputStream();
        var random = new Random(5);
        byte[] noise = new byte[4000];
        while (plain.size() < 3_000_000) {
            random.nextBytes(noise);
            plain.write(TEXT, random.nextInt(100_000), random.nextInt(40_000));
            plain.write(noise, 0, random.nextInt(noise.length));
        }

        var bits = assertEnterable(gzip(plain.toByteArray()), plain.toByteArray());

        assertThat(bits.size()).isGreaterThan(20);
        assertThat(new TreeSet<>(bits)).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
    }

    @Test
    void entersStreamsOfEveryLevelAndStrategy() throws Exception {
        for (int level = 0; level <= 9; level++) {
            for (int strategy : new int[] {Deflater.DEFAULT_STRATEGY, Deflater.FILTERED, Deflater.HUFFMAN_ONLY}) {
                assertThat(assertEnterable(gzip(TEXT, level, strategy, Deflater.NO_FLUSH), TEXT))
                        .as("level %d, strategy %d", level, strategy)
                        .isNotEmpty();
            }
        }
    }

    @Test
    void entersBetweenFlushes() throws Exception {
        for (int flush : new int[] {Deflater.SYNC_FLUSH, Deflater.FULL_FLUSH}) {
            assertThat(assertEnterable(gzip(TEXT, 6, Deflater.DEFAULT_STRATEGY, flush), TEXT)
                            .size())
                    .isGreaterThan(2);
        }
    }

    @Test
    void goesFromMemberToMember() throws Exception {
        var gzip = new ByteArrayOutputStream();
        var plain = new ByteArrayOutputStream();
        for (int length : new int[] {40_000, 0, 1, 0, 100_000, 7, 160_000}) {
            byte[] part = Arrays.copyOf(TEXT, length);
            plain.write(part);
            gzip.write(gzip(part));
        }

        var entries = entries(gzip.toByteArray(), plain.toByteArray());

        assertEnterable(gzip.toByteArray(), plain.toByteArray());
        assertThat(entries.stream()
                        .map(Entry::checkpoint)
                        .distinct()
                        .filter(Checkpoint::startsMember)
                        .map(Checkpoint::outOffset))
                .contains(0L, 40_001L, 140_008L);
        assertThat(entries)
                .filteredOn(entry -> entry.checkpoint.startsMember())
                .allSatisfy(entry -> assertThat(entry.checkpoint.window()).isEmpty());
    }

    @Test
    void keepsOfAWindowOnlyWhatIsReferredTo() throws Exception {
        byte[] noise = new byte[1_000_000];
        new Random(1).nextBytes(noise);

        for (var entry : entries(gzip(noise), noise)) {
            assertThat(entry.checkpoint.window()).isEmpty();
        }
        for (var entry : entries(gzip(TEXT), TEXT)) {
            assertThat(entry.checkpoint.window().length).isLessThanOrEqualTo(32 << 10);
        }
    }

    @Test
    void aStreamThatIsOnlyDecodedIsNotRemembered() throws Exception {
        try (var scan = new GzipScan(new Trickle(gzip(TEXT)), 0)) {
            assertThat(scan.readAllBytes()).isEqualTo(TEXT);
            assertThatThrownBy(() -> scan.checkpoint(0)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> scan.storedEnd(1)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void anEmptyStreamIsAnEmptyStream() throws Exception {
        try (var scan = new GzipScan(new ByteArrayInputStream(gzip(new byte[0])), GRAIN)) {
            assertThat(scan.read()).isEqualTo(-1);
            assertThat(scan.read()).isEqualTo(-1);
        }
    }

    @Test
    void aStreamThatWasCutIsNoticedWhereverItWasCut() throws Exception {
        byte[] gzip = gzip(Arrays.copyOf(TEXT, 9000));
        for (int length = 0; length < gzip.length; length++) {
            byte[] cut = Arrays.copyOf(gzip, length);
            assertThatThrownBy(() -> {
                        try (var scan = new GzipScan(new Trickle(cut), GRAIN)) {
                            scan.readAllBytes();
                        }
                    })
                    .as("cut at %d", length)
                    .isInstanceOfAny(EOFException.class, ZipException.class);
        }
    }

    @Test
    void aStreamThatWasChangedIsNoticedOrUnchanged() throws Exception {
        byte[] plain = Arrays.copyOf(TEXT, 40_000);
        byte[] gzip = gzip(plain);
        var random = new Random(11);
        for (int round = 0; round < 3000; round++) {
            byte[] changed = gzip.clone();
            changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
            try (var scan = new GzipScan(new ByteArrayInputStream(changed), GRAIN)) {
                assertThat(scan.readAllBytes()).isEqualTo(plain);
            } catch (EOFException | ZipException e) {
                assertThat(e.getMessage()).isNotEmpty();
            }
        }
    }

    @Test
    void aForgedCheckpointGivesAnErrorOrWrongBytesAndNothingElse() throws Exception {
        byte[] gzip = gzip(TEXT);
        var random = new Random(3);
        byte[] into = new byte[50_000];
        for (int round = 0; round < 3000; round++) {
            int at = random.nextInt(gzip.length);
            byte[] window = new byte[random.nextInt(3) * 16_384];
            try (var resumed = new ResumedGzip(
                    new ByteArrayInputStream(gzip, at, gzip.length - at),
                    random.nextInt(8),
                    random.nextInt(256),
                    window)) {
                assertThat(resumed.readNBytes(into, 0, into.length)).isBetween(0, into.length);
            } catch (ZipException e) {
                assertThat(e.getMessage()).isNotEmpty();
            }
        }
    }

    private static byte[] gzip(byte[] plain) throws IOException {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out)) {
            gzip.write(plain);
        }
        return out.toByteArray();
    }

    private static byte[] gzip(byte[] plain, int level, int strategy, int flush) throws IOException {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out, 4096, flush != Deflater.NO_FLUSH) {
            {
                def.setLevel(level);
                def.setStrategy(strategy);
            }
        }) {
            for (int at = 0; at < plain.length; at += 33_333) {
                gzip.write(plain, at, Math.min(33_333, plain.length - at));
                if (flush != Deflater.NO_FLUSH) {
                    gzip.flush();
                }
            }
        }
        return out.toByteArray();
    }

    /** Gives a few bytes at a time, as a network may. */
    private static final class Trickle extends InputStream {
        private final InputStream in;
        private int turn;

        Trickle(byte[] content) {
            in = new ByteArrayInputStream(content);
        }

        @Override
        public int read() throws IOException {
            return in.read();
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            turn = (turn + 7) % 1500;
            return in.read(into, from, Math.min(length, 1 + turn));
        }
    }
}
