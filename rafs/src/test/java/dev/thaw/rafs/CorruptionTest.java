package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever is wrong with the bytes: a {@link CorruptImageException}, soon, and without taking all memory. */
class CorruptionTest {
    private static final int TRIES = 150;
    private static final long MAX_ALLOCATED_BYTES = 64 << 20;

    private static Built layer;
    private static byte[] merged;

    @BeforeAll
    static void build(@TempDir Path directory) throws Exception {
        var items = new ArrayList<>(Corpus.lower(4096));
        items.removeIf(item -> item.path().startsWith("directories/many/entry-")
                && item.path().length() > "directories/many/entry-123".length());
        layer = Built.of(Built.SMALL_CHUNKS, items);
        var upper = Built.of(Built.SMALL_CHUNKS, Corpus.upper(4096));
        var file = directory.resolve("merged");
        BootstrapMerger.merge(List.of(layer.toMerge(), upper.toMerge()), file);
        merged = Files.readAllBytes(file);
    }

    private interface Reading {
        void run() throws Exception;
    }

    /** Runs to the end or to a CorruptImageException; anything else is a fault of the reader. */
    private static boolean survives(Reading reading) {
        return assertTimeoutPreemptively(Duration.ofSeconds(30), () -> {
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long before = threads.getCurrentThreadAllocatedBytes();
            try {
                reading.run();
                return true;
            } catch (CorruptImageException e) {
                assertThat(e.reason()).isNotEmpty();
                return false;
            } finally {
                assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MAX_ALLOCATED_BYTES);
            }
        });
    }

    private static void readEverything(byte[] image) throws CorruptImageException {
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(image), "damaged");
        BootstrapChecker.check(bootstrap);
        ChunkTable.fromBootstrap(bootstrap);
        bootstrap.prefetchNids();
    }

    /** Without the checker's care, as an agent reads that trusts a checked file. */
    private static void readOneByOne(byte[] image) throws CorruptImageException {
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(image), "damaged");
        for (long nid = 0; nid < image.length / 32; nid += 3) {
            readInode(bootstrap, nid);
        }
    }

    private static void readInode(Bootstrap bootstrap, long nid) {
        try {
            var inode = bootstrap.inode(nid);
            bootstrap.xattrs(nid);
            if (inode.isDirectory()) {
                bootstrap.lookup(nid, Item.bytes("lib"));
                bootstrap.list(nid, (name, child, type) -> name.length > 0);
            } else if (inode.isSymlink()) {
                bootstrap.symlinkTarget(nid);
            } else if (inode.isRegular()) {
                int count = Math.min(10, bootstrap.chunkCount(nid));
                for (int i = 0; i < count; i++) {
                    bootstrap.fileChunk(nid, i);
                }
            }
        } catch (CorruptImageException e) {
            assertThat(e.resource()).isEqualTo("damaged");
        }
    }

    @Test
    void theUndamagedImageIsFine() {
        assertThat(survives(() -> readEverything(merged))).isTrue();
    }

    @RepeatedTest(6)
    void flippedBytesOfTheHead(RepetitionInfo repetition) {
        var random = new SplittableRandom(repetition.getCurrentRepetition());
        int refused = 0;
        for (int i = 0; i < TRIES; i++) {
            byte[] image = merged.clone();
            // Super blocks, device table and blob table: the bytes that mean something.
            int start = random.nextBoolean() ? 1024 : 4096;
            image[start + random.nextInt(640)] ^= (byte) (1 << random.nextInt(8));
            refused += survives(() -> readEverything(image)) ? 0 : 1;
        }
        assertThat(refused).isPositive();
    }

    @RepeatedTest(6)
    void flippedBytesAnywhere(RepetitionInfo repetition) {
        var random = new SplittableRandom(100 + repetition.getCurrentRepetition());
        int refused = 0;
        for (int i = 0; i < TRIES; i++) {
            byte[] image = merged.clone();
            for (int flips = 1 + random.nextInt(20); flips > 0; flips--) {
                image[4096 + random.nextInt(image.length - 4096)] = (byte) random.nextInt();
            }
            refused += survives(() -> readEverything(image)) ? 0 : 1;
        }
        assertThat(refused).isPositive();
    }

    @RepeatedTest(3)
    void numbersThatAreAsLargeAsCanBe(RepetitionInfo repetition) {
        var random = new SplittableRandom(200 + repetition.getCurrentRepetition());
        for (int i = 0; i < TRIES; i++) {
            byte[] image = merged.clone();
            var bytes = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
            long number = new long[] {-1, Long.MAX_VALUE, Long.MIN_VALUE, 0x7fffffff, 0xffffffffL, 1L << 40}
                    [random.nextInt(6)];
            int at = 1024 + random.nextInt((image.length - 1032) / 4) * 4;
            bytes.putLong(at, number);
            survives(() -> readEverything(image));
            survives(() -> readOneByOne(image));
        }
    }

    @RepeatedTest(3)
    void cutImages(RepetitionInfo repetition) {
        var random = new SplittableRandom(300 + repetition.getCurrentRepetition());
        for (int i = 0; i < TRIES; i++) {
            int length = random.nextInt(merged.length);
            byte[] image = Arrays.copyOf(merged, random.nextBoolean() ? length : length & ~4095);
            assertThat(survives(() -> readEverything(image))).isFalse();
        }
    }

    @RepeatedTest(3)
    void damagedBlobTails(RepetitionInfo repetition) {
        var random = new SplittableRandom(400 + repetition.getCurrentRepetition());
        byte[] blob = layer.blob();
        for (int i = 0; i < TRIES; i++) {
            byte[] tail = Arrays.copyOfRange(blob, blob.length - 1152, blob.length);
            tail[random.nextInt(tail.length)] ^= (byte) (1 << random.nextInt(8));
            survives(() -> {
                var sections = BlobSections.fromTail(tail, blob.length, "damaged");
                for (var section : sections.sections()) {
                    int from = (int) section.offset();
                    sections.decode(section, Arrays.copyOfRange(blob, from, from + (int) section.storedSize()));
                }
            });
            byte[] cut = Arrays.copyOfRange(tail, random.nextInt(tail.length), tail.length);
            survives(() -> BlobSections.fromTail(cut, blob.length, "damaged"));
        }
    }

    @RepeatedTest(3)
    void damagedSectionsAreNoticedByTheirDigest(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(500 + repetition.getCurrentRepetition());
        for (var section : layer.sections().sections()) {
            for (int i = 0; i < 10; i++) {
                byte[] stored = layer.stored(section.name());
                stored[random.nextInt(stored.length)] ^= (byte) (1 << random.nextInt(8));
                assertThatThrownBy(() -> layer.sections().decode(section, stored))
                        .isInstanceOf(CorruptImageException.class);
            }
        }
    }

    @RepeatedTest(3)
    void damagedChunkTables(RepetitionInfo repetition) throws Exception {
        var random = new SplittableRandom(600 + repetition.getCurrentRepetition());
        var blob = layer.bootstrap().blobs().getFirst();
        byte[] digests = layer.stored(BlobSections.DIGESTS);
        for (int i = 0; i < TRIES; i++) {
            byte[] ci = layer.stored(BlobSections.CHUNK_TABLE);
            byte[] header = layer.stored(BlobSections.CHUNK_TABLE_HEADER);
            boolean inHeader = random.nextInt(4) == 0;
            byte[] damaged = inHeader ? header : ci;
            damaged[random.nextInt(inHeader ? 64 : ci.length)] ^= (byte) (1 << random.nextInt(8));
            survives(() -> ChunkTable.of(blob, ci, header, digests));
        }
    }

    @Test
    void otherFormatsAreRefusedByName() {
        assertRefused("RAFS v5", image -> image.putInt(0, 0x52414653));
        assertRefused("not RAFS v6", image -> image.putInt(1024 + 8, 0));
        assertRefused("magic is 0x00000000", image -> image.putInt(1024, 0));
        assertRefused("tarfs", image -> image.put(1024 + 12, (byte) 9));
        assertRefused("tarfs", image -> image.putLong(1152, image.getLong(1152) | 0x200));
        assertRefused("encrypted", image -> image.putLong(1152, image.getLong(1152) | 0x02000000));
        assertRefused("unknown flags 0x400", image -> image.putLong(1152, image.getLong(1152) | 0x400));
        assertRefused("newer nydus", image -> image.putInt(4096 + 84, image.getInt(4096 + 84) | 0x1000));
        assertRefused("zran", image -> image.putInt(4096 + 84, image.getInt(4096 + 84) | 0x8));
        assertRefused("batch", image -> image.putInt(4096 + 84, image.getInt(4096 + 84) | 0x80));
        assertRefused("encrypted", image -> image.putInt(4096 + 84, image.getInt(4096 + 84) | 0x100));
        assertRefused("encrypted", image -> image.putInt(4096 + 216, 1));
        assertRefused("external", image -> image.putInt(4096 + 84, image.getInt(4096 + 84) | 0x800));
        assertRefused("another blob", image -> image.putInt(4096 + 84, image.getInt(4096 + 84) | 0x10));
        assertRefused("incompatible features", image -> image.putInt(1024 + 80, 0x1c));
        assertRefused("listed twice", image -> image.put(4096 + 256, merged, 4096, 64));
    }

    /** {@code mkfs.erofs --all-root -T 1700000000} of a directory with one file made it. */
    @Test
    void anImageOfErofsUtilsIsRefusedByName() throws Exception {
        byte[] image;
        try (var in = CorruptionTest.class.getResourceAsStream("/erofs-utils-1.5/plain.erofs")) {
            image = in.readAllBytes();
        }

        assertThatThrownBy(() -> readEverything(image))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("a plain EROFS image");
    }

    /** Who fetches ahead would follow it. */
    @Test
    void aPrefetchTableOfInodesThatNoDirectoryHoldsIsNoticed() {
        assertRefused("prefetch table names inode 1,", image -> {
            // In the padding behind the blob table, which is as good a place as any.
            image.putLong(1152 + 40, 8192 - 64).putInt(1152 + 48, 4);
            image.putInt(8192 - 64, 1);
        });
    }

    private interface Damage {
        void to(ByteBuffer image);
    }

    private static void assertRefused(String reason, Damage damage) {
        var image = ByteBuffer.wrap(merged.clone()).order(ByteOrder.LITTLE_ENDIAN);
        damage.to(image);
        assertThatThrownBy(() -> readEverything(image.array()))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining(reason)
                .hasMessageStartingWith("damaged");
    }

    @Test
    void aDirectoryInsideItselfIsNoticed() throws Exception {
        var bootstrap = Bootstrap.of(MemorySegment.ofArray(merged), "loop");
        long parent = bootstrap.resolve("/directories").orElseThrow();
        long child = bootstrap.resolve("/directories/one").orElseThrow();
        byte[] image = replaceNid(merged, child, parent);

        assertThatThrownBy(() -> readEverything(image))
                .isInstanceOf(CorruptImageException.class)
                .hasMessageContaining("reached twice");
    }

    /** Lets every directory entry of one inode point to another. */
    private static byte[] replaceNid(byte[] image, long from, long to) {
        var bytes = ByteBuffer.wrap(image.clone()).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0x2000; at + 12 <= image.length; at += 4) {
            boolean entry = bytes.getLong(at) == from && bytes.get(at + 10) == 2 && bytes.get(at + 11) == 0;
            if (entry && bytes.getShort(at + 8) > 0x18 + 12) {
                bytes.putLong(at, to);
            }
        }
        return bytes.array();
    }
}
