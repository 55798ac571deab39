package dev.thaw.agent.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DiskChunkStoreTest {
    private static final String BLOB = "ab".repeat(32);
    private static final int CHUNKS = 100;

    @TempDir
    Path directory;

    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final FakeLayout layout = new FakeLayout(CHUNKS, 1);
    /** What the disk is said to have free. */
    private final AtomicLong free = new AtomicLong(1L << 40);

    private DiskChunkStore store;

    @AfterEach
    void close() throws IOException {
        if (store != null) {
            store.close();
        }
    }

    private CachedBlob open(long maxBytes) throws IOException {
        return open(maxBytes, 0);
    }

    private CachedBlob open(long maxBytes, long minFreeBytes) throws IOException {
        store = new DiskChunkStore(
                new CacheSettings(directory, maxBytes, 0.9, 0.5, Duration.ofHours(1), minFreeBytes), meters, free::get);
        return store.acquire(BLOB, layout.sizeBytes(), layout);
    }

    private CachedBlob open() throws IOException {
        return open(1L << 30);
    }

    private static byte[] read(CachedBlob blob, long offset, int length) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var target = arena.allocate(length);
            return blob.read(offset, length, target) ? target.toArray(ValueLayout.JAVA_BYTE) : null;
        }
    }

    @Test
    void readsARangeOnlyWhenAllOfItsChunksArePresent() throws IOException {
        var blob = open();
        long offset = 3 * FakeLayout.CHUNK_BYTES + 100;
        int length = 2 * FakeLayout.CHUNK_BYTES;
        blob.put(3, layout.segment(3));
        blob.put(5, layout.segment(5));
        assertThat(read(blob, offset, length)).isNull();

        blob.put(4, layout.segment(4));

        assertThat(read(blob, offset, length)).isEqualTo(layout.device(offset, length));
        assertThat(blob.cachedBytes()).isEqualTo(store.usedBytes()).isLessThanOrEqualTo(3L * FakeLayout.CHUNK_BYTES);
    }

    @Test
    void theFileIsAsLongAsTheDeviceAndSparse() throws IOException {
        var blob = open();
        blob.put(0, layout.segment(0));

        var file = directory.resolve(BLOB + ".data");
        assertThat(Files.size(file)).isEqualTo(layout.sizeBytes());
        assertThat(allocated(file)).isLessThanOrEqualTo(2L * FakeLayout.CHUNK_BYTES);
    }

    private static long allocated(Path file) throws IOException {
        try {
            var process = new ProcessBuilder("stat", "-c", "%b", file.toString()).start();
            return Long.parseLong(
                            new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip())
                    * 512;
        } catch (NumberFormatException e) {
            throw new IOException(e);
        }
    }

    @Test
    void aChunkWithAWrongDigestDoesNotBecomePresent() throws IOException {
        var blob = open();

        assertThat(blob.put(1, layout.segment(2))).isEqualTo(CachedBlob.Kept.CORRUPT);
        assertThat(blob.put(1, layout.segment(1).asSlice(0, 100))).isEqualTo(CachedBlob.Kept.CORRUPT);
        assertThat(blob.isPresent(1)).isFalse();
    }

    @Test
    void chunksAreThereAfterAnOrderlyRestart() throws IOException {
        var blob = open();
        blob.put(7, layout.segment(7));
        store.close();

        var again = open();

        assertThat(read(again, 7L * FakeLayout.CHUNK_BYTES, 10))
                .isEqualTo(layout.device(7L * FakeLayout.CHUNK_BYTES, 10));
        assertThat(store.usedBytes()).isEqualTo(layout.footprint(7));
    }

    @Test
    void aChunkIsKeptByAProcessThatIsKilledRightAfterwards() throws IOException {
        var blob = open();
        blob.put(1, layout.segment(1));
        store.persist();
        blob.put(2, layout.segment(2));
        // The process dies here: what it wrote is in the files, what it remembered is not.
        var image = copyOfFiles();

        restoreFiles(image);
        var again = open();

        assertThat(again.isPresent(1)).isTrue();
        assertThat(read(again, 2L * FakeLayout.CHUNK_BYTES, 10))
                .isEqualTo(layout.device(2L * FakeLayout.CHUNK_BYTES, 10));
        assertThat(again.isPresent(3)).isFalse();
    }

    @Test
    void aChunkThatIsPutByAThreadThatIsInterruptedIsKeptToo() throws IOException {
        var blob = open();
        Thread.currentThread().interrupt();
        try {
            blob.put(1, layout.segment(1));
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        blob.put(2, layout.segment(2));

        restoreFiles(copyOfFiles());
        var again = open();

        assertThat(again.isPresent(1)).isTrue();
        assertThat(again.isPresent(2)).isTrue();
    }

    @Test
    void aBitWithoutItsDataIsFoundOut() throws IOException {
        var blob = open();
        for (int chunk = 0; chunk < 10; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        store.close();
        // As after a power failure that took the data and left the bit.
        var data = directory.resolve(BLOB + ".data");
        try (var channel = FileChannel.open(data, StandardOpenOption.WRITE)) {
            channel.truncate(4L * FakeLayout.CHUNK_BYTES);
            channel.write(ByteBuffer.allocate(1), layout.sizeBytes() - 1);
        }

        var again = open();

        for (int chunk = 0; chunk < 10; chunk++) {
            assertThat(again.isPresent(chunk)).isEqualTo(chunk < 4);
        }
    }

    @Test
    void damageOnDiskIsNeverServed() throws IOException {
        var blob = open();
        blob.put(5, layout.segment(5));
        store.close();
        try (var channel = FileChannel.open(directory.resolve(BLOB + ".data"), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 5L * FakeLayout.CHUNK_BYTES + 17);
        }

        var again = open();

        assertThat(read(again, 5L * FakeLayout.CHUNK_BYTES, 100)).isNull();
        assertThat(again.isPresent(5)).isFalse();
        assertThat(meters.get("thaw.cache.damaged.chunks").counter().count()).isEqualTo(1);
        assertThat(store.usedBytes()).isZero();
    }

    @Test
    void aTornOrForeignPresenceFileMeansToBeginAnew() throws IOException {
        var presence = directory.resolve(BLOB + ".present");
        for (var damage : new int[] {0, 9, 13, 20, 30, 57, PresenceFile.HEADER_BYTES + 15}) {
            var blob = open();
            blob.put(5, layout.segment(5));
            store.close();
            var bytes = Files.readAllBytes(presence);
            bytes[damage] ^= (byte) 0x80;
            Files.write(presence, bytes);

            assertThat(open().isPresent(5)).describedAs("damage at %d", damage).isFalse();
            store.close();
        }
        var blob = open();
        blob.put(5, layout.segment(5));
        store.close();
        Files.write(presence, java.util.Arrays.copyOf(Files.readAllBytes(presence), 70));
        assertThat(open().isPresent(5)).isFalse();
    }

    @Test
    void theLeastRecentlyReadGoWhenTheHighWatermarkIsPassed() throws IOException, InterruptedException {
        var blob = open(50L * FakeLayout.CHUNK_BYTES);
        for (int chunk = 0; chunk < 20; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        Thread.sleep(1100);
        read(blob, 0, 10);
        long before = allocated(directory.resolve(BLOB + ".data"));

        store.evictDownTo(5L * FakeLayout.CHUNK_BYTES);

        assertThat(store.usedBytes()).isLessThanOrEqualTo(5L * FakeLayout.CHUNK_BYTES);
        assertThat(blob.isPresent(0)).isTrue();
        assertThat(blob.isPresent(1)).isFalse();
        assertThat(allocated(directory.resolve(BLOB + ".data"))).isLessThan(before / 2);
        assertThat(read(blob, 0, 10)).isEqualTo(layout.device(0, 10));
        blob.put(1, layout.segment(1));
        assertThat(read(blob, FakeLayout.CHUNK_BYTES, 10)).isEqualTo(layout.device(FakeLayout.CHUNK_BYTES, 10));
    }

    @Test
    void anEvictedChunkStaysEvictedAfterACrash() throws IOException {
        var blob = open();
        for (int chunk = 0; chunk < 10; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        store.persist();
        blob.evict(new int[] {3, 4});

        restoreFiles(copyOfFiles());
        var again = open();

        assertThat(again.isPresent(3)).isFalse();
        assertThat(again.isPresent(5)).isTrue();
    }

    @Test
    void aFullCacheServesWithoutKeeping() throws IOException {
        var blob = open(3L * FakeLayout.CHUNK_BYTES);
        assertThat(blob.put(0, layout.segment(0))).isEqualTo(CachedBlob.Kept.ON_DISK);
        assertThat(store.reserve(3L * FakeLayout.CHUNK_BYTES)).isFalse();
        var kept = CachedBlob.Kept.ON_DISK;
        for (int chunk = 1; chunk < CHUNKS && kept == CachedBlob.Kept.ON_DISK; chunk++) {
            kept = blob.put(chunk, layout.segment(chunk));
            assertThat(store.usedBytes()).isLessThanOrEqualTo(3L * FakeLayout.CHUNK_BYTES);
        }
    }

    @Test
    void neverMoreThanItsBudgetHoweverManyPutAtOnce() throws Exception {
        long most = 10L * FakeLayout.CHUNK_BYTES;
        var blob = open(most);
        var over = new AtomicBoolean();
        try (var threads = Executors.newFixedThreadPool(8)) {
            for (int chunk = 0; chunk < CHUNKS; chunk++) {
                int next = chunk;
                threads.submit(() -> {
                    blob.put(next, layout.segment(next));
                    if (store.usedBytes() > most) {
                        over.set(true);
                    }
                    return next;
                });
            }
        }
        assertThat(over).isFalse();
        assertThat(allocated(directory.resolve(BLOB + ".data"))).isLessThanOrEqualTo(most);
        assertThat(blob.cachedBytes()).isLessThanOrEqualTo(most);
    }

    @Test
    void aFloorOfFreeDiskIsKeptByShrinking() throws IOException {
        long floor = 100L * FakeLayout.CHUNK_BYTES;
        free.set(floor + 30L * FakeLayout.CHUNK_BYTES);
        var blob = open(1L << 30, floor);
        for (int chunk = 0; chunk < 20; chunk++) {
            assertThat(blob.put(chunk, layout.segment(chunk))).isEqualTo(CachedBlob.Kept.ON_DISK);
        }
        assertThat(store.hasRoomFor(FakeLayout.CHUNK_BYTES)).isFalse();

        // Somebody else fills the disk.
        free.set(floor - 2L * FakeLayout.CHUNK_BYTES);
        store.look();

        assertThat(store.usedBytes()).isLessThanOrEqualTo(10L * FakeLayout.CHUNK_BYTES);
        free.set(floor - 1);
        store.look();
        store.look();
        assertThat(store.usedBytes()).isZero();
        assertThat(store.isShortOfDisk()).isTrue();
        assertThat(blob.put(99, layout.segment(99))).isEqualTo(CachedBlob.Kept.UNCACHED);
        free.set(1L << 40);
        store.look();
        assertThat(store.isShortOfDisk()).isFalse();
        assertThat(blob.put(99, layout.segment(99))).isEqualTo(CachedBlob.Kept.ON_DISK);
    }

    @Test
    void whatWasReadLastIsKnownAfterARestart() throws IOException, InterruptedException {
        var blob = open();
        for (int chunk = 0; chunk < 20; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        Thread.sleep(1100);
        read(blob, 7L * FakeLayout.CHUNK_BYTES, 10);
        store.close();
        var again = open();

        store.evictDownTo(layout.footprint(7));

        assertThat(again.isPresent(7)).isTrue();
        assertThat(store.usedBytes()).isEqualTo(layout.footprint(7));
    }

    @Test
    void timesOfUseThatAreTornOrLieAreOfNoConsequence() throws IOException {
        var blob = open();
        blob.put(7, layout.segment(7));
        read(blob, 7L * FakeLayout.CHUNK_BYTES, 10);
        store.close();
        var recent = directory.resolve(BLOB + ".recent");
        assertThat(recent).hasSize(4L * CHUNKS);
        var lies = new byte[4 * CHUNKS];
        java.util.Arrays.fill(lies, (byte) 0x7f);
        Files.write(recent, lies);
        assertThat(open().lastUse(7)).isLessThanOrEqualTo(store.coarseNow());
        store.close();
        Files.write(recent, new byte[5]);
        assertThat(open().isPresent(7)).isTrue();
    }

    @Test
    void scrubbingFindsDamageBeforeAReaderDoes() throws IOException {
        var blob = open();
        for (int chunk = 0; chunk < 10; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        store.close();
        try (var channel = FileChannel.open(directory.resolve(BLOB + ".data"), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 5L * FakeLayout.CHUNK_BYTES + 17);
        }
        var again = open();

        assertThat(again.scrub(1)).isEqualTo(layout.length(0));
        assertThat(again.isPresent(5)).isTrue();
        assertThat(again.scrub(1L << 30)).isPositive();

        assertThat(again.isPresent(5)).isFalse();
        assertThat(again.scrub(1L << 30)).isZero();
    }

    @Test
    void aBlobThatIsSharedGoesWithItsLastHolder() throws IOException {
        open();
        var same = store.acquire(BLOB, layout.sizeBytes(), layout);
        same.put(0, layout.segment(0));

        store.release(BLOB, true);
        assertThat(read(same, 0, 10)).isNotNull();
        store.release(BLOB, true);

        assertThat(directory.resolve(BLOB + ".data")).doesNotExist();
        assertThat(directory.resolve(BLOB + ".present")).doesNotExist();
        assertThat(store.usedBytes()).isZero();
        assertThatThrownBy(() -> same.put(1, layout.segment(1))).hasMessageContaining("released");
    }

    @Test
    void sweepingDeletesOnlyWhatNobodyNames() throws IOException {
        open();
        var stranger = "cd".repeat(32);
        var wanted = "ef".repeat(32);
        Files.createFile(directory.resolve(stranger + ".data"));
        Files.createFile(directory.resolve(wanted + ".data"));

        store.sweep(Set.of(wanted));

        assertThat(directory.resolve(stranger + ".data")).doesNotExist();
        assertThat(directory.resolve(wanted + ".data")).exists();
        assertThat(directory.resolve(BLOB + ".data")).exists();
    }

    @Test
    void readersNeverSeeTheHolesOfAnEviction() throws Exception {
        var blob = open();
        var stop = new AtomicBoolean();
        try (var threads = Executors.newFixedThreadPool(4)) {
            var readers = new java.util.ArrayList<java.util.concurrent.Future<Boolean>>();
            for (int reader = 0; reader < 2; reader++) {
                var random = new SplittableRandom(reader);
                readers.add(threads.submit(() -> {
                    while (!stop.get()) {
                        long offset = random.nextInt(9 * FakeLayout.CHUNK_BYTES);
                        int length = random.nextInt(1, FakeLayout.CHUNK_BYTES);
                        var seen = read(blob, offset, length);
                        if (seen != null && !java.util.Arrays.equals(seen, layout.device(offset, length))) {
                            return false;
                        }
                    }
                    return true;
                }));
            }
            var random = new SplittableRandom(99);
            for (int round = 0; round < 150; round++) {
                int chunk = random.nextInt(10);
                blob.put(chunk, layout.segment(chunk));
                blob.evict(new int[] {random.nextInt(10), chunk});
                blob.put(chunk, layout.segment(chunk));
            }
            stop.set(true);
            for (var reader : readers) {
                assertThat(reader.get()).isTrue();
            }
        }
    }

    @Test
    void nothingLeavesAFileThatSomebodyElseHasOpen() throws IOException {
        var blob = open();
        for (int chunk = 0; chunk < 10; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        try (var reader = FileChannel.open(directory.resolve(BLOB + ".data"), StandardOpenOption.READ)) {
            store.evictDownTo(0);
            blob.evict(new int[] {3});

            assertThat(blob.isPresent(3)).isTrue();
            assertThat(content(reader, 3)).isEqualTo(layout.content(3));
        }

        store.evictDownTo(0);

        assertThat(blob.isPresent(3)).isFalse();
        assertThat(store.usedBytes()).isZero();
    }

    @Test
    void nothingLeavesAFileThatWasOpenBeforeThisProcessBegan() throws IOException {
        var blob = open();
        for (int chunk = 0; chunk < 10; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        store.close();
        try (var reader = FileChannel.open(directory.resolve(BLOB + ".data"), StandardOpenOption.READ)) {
            // What is there is far above the high watermark now.
            var again = open(2L * FakeLayout.CHUNK_BYTES);
            store.evictDownTo(0);

            for (int chunk = 0; chunk < 10; chunk++) {
                assertThat(again.isPresent(chunk)).isTrue();
                assertThat(content(reader, chunk)).isEqualTo(layout.content(chunk));
            }
        }
    }

    @Test
    void nothingLeavesABlobThatIsPinned() throws IOException {
        var blob = open();
        blob.put(3, layout.segment(3));
        try (var pin = blob.pin()) {
            assertThat(pin).isNotNull();
            store.evictDownTo(0);
            assertThat(blob.isPresent(3)).isTrue();
        }
        store.evictDownTo(0);
        assertThat(blob.isPresent(3)).isFalse();
    }

    @Test
    void aDamagedChunkOfAFileThatOthersReadIsWrittenOverAndNeverPunchedOut() throws IOException {
        var blob = open();
        blob.put(5, layout.segment(5));
        store.close();
        var file = directory.resolve(BLOB + ".data");
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 5L * FakeLayout.CHUNK_BYTES + 17);
        }
        var again = open();
        try (var reader = FileChannel.open(file, StandardOpenOption.READ)) {
            assertThat(again.verify(5)).isFalse();
            assertThat(again.isPresent(5)).isFalse();
            assertThat(content(reader, 5)[100]).isEqualTo(layout.content(5)[100]);

            again.put(5, layout.segment(5));

            assertThat(content(reader, 5)).isEqualTo(layout.content(5));
        }
    }

    @Test
    void isWholeOnceEveryChunkIsHereAndWasCompared() throws IOException {
        var blob = open();
        for (int chunk = 0; chunk < CHUNKS; chunk++) {
            assertThat(blob.isWhole()).isFalse();
            blob.put(chunk, layout.segment(chunk));
        }
        assertThat(blob.isWhole()).isTrue();
        store.close();

        var again = open();

        assertThat(again.isWhole()).isFalse();
        for (int chunk = 0; chunk < CHUNKS; chunk++) {
            assertThat(again.verify(chunk)).isTrue();
        }
        assertThat(again.isWhole()).isTrue();
    }

    @Test
    void keepsNoMoreFromEvictionThanLeavesRoomForOthers() throws IOException {
        var blob = open(100L * FakeLayout.CHUNK_BYTES);
        for (int chunk = 0; chunk < 20; chunk++) {
            blob.put(chunk, layout.segment(chunk));
        }
        long most = 100L * FakeLayout.CHUNK_BYTES / 2 * 3 / 4;
        assertThat(store.canKeep(most)).isTrue();
        assertThat(store.canKeep(most + 1)).isFalse();
        try (var pin = blob.pin()) {
            assertThat(pin).isNotNull();
            assertThat(store.canKeep(most - blob.cachedBytes())).isTrue();
            assertThat(store.canKeep(most - blob.cachedBytes() + 1)).isFalse();
        }
    }

    private byte[] content(FileChannel file, int chunk) throws IOException {
        var content = ByteBuffer.allocate(layout.length(chunk));
        file.read(content, layout.offset(chunk));
        return content.array();
    }

    @SuppressWarnings("ArrayRecordComponent") // passed on, never compared
    private record FilesOnDisk(byte[] data, byte[] presence) {}

    private FilesOnDisk copyOfFiles() throws IOException {
        return new FilesOnDisk(
                Files.readAllBytes(directory.resolve(BLOB + ".data")),
                Files.readAllBytes(directory.resolve(BLOB + ".present")));
    }

    /** Puts files back as they were before the store could close them in order. */
    private void restoreFiles(FilesOnDisk files) throws IOException {
        store.close();
        Files.write(directory.resolve(BLOB + ".data"), files.data);
        Files.write(directory.resolve(BLOB + ".present"), files.presence);
    }
}
