package dev.thaw.agent.cache;

import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.SystemCallFailed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One blob on disk: a sparse file of exactly its uncompressed size in which chunks appear at their own offsets, and the set
 * of those that have.
 *
 * <p>Four rules keep it honest. A chunk becomes present only when its digest is right. A chunk found on disk at start is
 * checked against its digest before it is served for the first time. Whoever reads a range while a chunk of it is being
 * evicted notices, and reads again: the lock's stamp changes whenever a chunk leaves. And nothing is taken out of a file that
 * somebody reads without asking us, as the kernel does below a detached mount: to such a reader a hole is zeros. Who has the
 * file open the kernel knows, also when this process has just started; from the decision to detach until the kernel has opened
 * the file, a {@link #pin} stands for it.
 */
public final class CachedBlob {
    private static final Logger LOG = LoggerFactory.getLogger(CachedBlob.class);

    private final DiskChunkStore store;
    private final String id;
    private final long sizeBytes;
    private volatile ChunkLayout layout;
    private final Path dataFile;
    private final Path presenceFile;
    private final Path recencyFile;
    private final PresenceFile presence;
    private final int data;
    /** Whether the file was there already, so that an earlier life of this process may have given it to the kernel. */
    private final boolean isOld;

    private final AtomicLong cachedBytes = new AtomicLong();
    private volatile long totalBytes;
    private final ChunkSet present;
    private final ChunkSet trusted;
    private final int[] lastUse;
    /** Writers share it, the evictor has it alone, readers only look at its stamp. */
    private final StampedLock lock = new StampedLock();
    /** Guards {@link #durable} and the presence file as a whole; a bit is noted there beside it, while nothing is dropped. */
    private final ReentrantLock persisting = new ReentrantLock();

    private final long[] durable;
    /** Guarded by {@link #persisting}. */
    private int pins;

    private volatile boolean dirty;
    private volatile boolean usedSinceRemembered;
    private int scrubbed;
    private volatile boolean closed;

    private CachedBlob(
            DiskChunkStore store,
            String id,
            long sizeBytes,
            ChunkLayout layout,
            Path dataFile,
            Path presenceFile,
            Path recencyFile,
            PresenceFile presence,
            int data,
            boolean isOld,
            long[] found)
            throws IOException {
        this.store = store;
        this.id = id;
        this.sizeBytes = sizeBytes;
        this.layout = layout;
        this.dataFile = dataFile;
        this.presenceFile = presenceFile;
        this.recencyFile = recencyFile;
        this.presence = presence;
        this.data = data;
        this.isOld = isOld;
        present = new ChunkSet(layout.count());
        present.addAll(found);
        trusted = new ChunkSet(layout.count());
        durable = found.clone();
        lastUse = RecencyFile.read(recencyFile, layout.count(), store.coarseNow());
        totalBytes = footprint(layout, null);
        cachedBytes.set(footprint(layout, present));
    }

    static CachedBlob open(DiskChunkStore store, Path directory, String id, long sizeBytes, ChunkLayout layout)
            throws IOException {
        var dataFile = directory.resolve(id + ".data");
        var presenceFile = directory.resolve(id + ".present");
        var recencyFile = directory.resolve(id + ".recent");
        var found = Files.exists(dataFile) && Files.size(dataFile) == sizeBytes
                ? PresenceFile.read(presenceFile, id, sizeBytes, layout.count())
                : java.util.Optional.<long[]>empty();
        if (found.isEmpty()) {
            Files.deleteIfExists(presenceFile);
            Files.deleteIfExists(recencyFile);
            Files.deleteIfExists(dataFile);
        }
        int data = Libc.open(dataFile, Libc.O_RDWR | Libc.O_CREAT);
        try {
            if (found.isEmpty()) {
                Libc.ftruncate(data, sizeBytes, dataFile.toString());
            }
            var bits = found.orElseGet(() -> new long[(layout.count() + 63) >>> 6]);
            if (found.isPresent()) {
                dropHoles(bits, layout, data, dataFile);
            }
            var presence = PresenceFile.open(presenceFile, id, sizeBytes, layout.count(), found.isPresent());
            return new CachedBlob(
                    store,
                    id,
                    sizeBytes,
                    layout,
                    dataFile,
                    presenceFile,
                    recencyFile,
                    presence,
                    data,
                    found.isPresent(),
                    bits);
        } catch (IOException e) {
            Libc.close(data);
            throw e;
        }
    }

    /** Bits whose chunk lies in a hole are lies that cost nothing to find: one pass over the file's extents. */
    private static void dropHoles(long[] bits, ChunkLayout layout, int data, Path file) throws SystemCallFailed {
        var set = BitSet.valueOf(bits);
        long dataStart = 0;
        long dataEnd = 0;
        int dropped = 0;
        for (int chunk = set.nextSetBit(0); chunk >= 0; chunk = set.nextSetBit(chunk + 1)) {
            long from = layout.offset(chunk);
            long to = from + layout.length(chunk);
            if (from >= dataEnd) {
                dataStart = Libc.nextData(data, from, file.toString());
                dataEnd = dataStart < 0 ? Long.MAX_VALUE : Libc.nextHole(data, dataStart, file.toString());
            }
            boolean whole = dataStart >= 0 && dataStart <= from && to <= dataEnd;
            if (!whole) {
                bits[chunk >>> 6] &= ~(1L << (chunk & 63));
                dropped++;
                dataEnd = Math.min(dataEnd, from);
            }
        }
        if (dropped > 0) {
            LOG.warn("{}: {} chunks that were said to be there are holes; they will be fetched again", file, dropped);
        }
    }

    public String id() {
        return id;
    }

    /** Of the uncompressed address space, which is the length of the file. */
    public long sizeBytes() {
        return sizeBytes;
    }

    public ChunkLayout layout() {
        return layout;
    }

    /** Takes a layout that knows more chunks, and the same of those that were known. */
    public void learn(ChunkLayout wider) {
        if (wider.count() != layout.count()) {
            throw new IllegalArgumentException(
                    "blob %s has %d chunks, not %d".formatted(id, layout.count(), wider.count()));
        }
        layout = wider;
        totalBytes = footprint(wider, null);
    }

    private static long footprint(ChunkLayout layout, @Nullable ChunkSet counted) {
        long bytes = 0;
        for (int chunk = 0; chunk < layout.count(); chunk++) {
            if (counted == null || counted.contains(chunk)) {
                bytes += layout.footprint(chunk);
            }
        }
        return bytes;
    }

    public boolean isPresent(int chunk) {
        return present.contains(chunk);
    }

    private boolean isMissing(int chunk) {
        return !present.contains(chunk) && layout.length(chunk) > 0;
    }

    /** Disk space of the chunks that are present. */
    public long cachedBytes() {
        return cachedBytes.get();
    }

    /** Disk space of all chunks. */
    public long totalBytes() {
        return totalBytes;
    }

    /**
     * Copies a range to native memory if all of its chunks are on disk.
     *
     * @return whether they were; if not, the target holds nothing of use
     * @throws IOException when the disk fails, or the blob was released
     */
    public boolean read(long offset, int length, MemorySegment target) throws IOException {
        int first = Math.max(layout.floor(offset), 0);
        int last = layout.floor(offset + length - 1);
        for (int chunk = first; chunk <= last; chunk++) {
            if (isMissing(chunk) || !isTrusted(chunk)) {
                return false;
            }
        }
        long stamp = lock.tryOptimisticRead();
        if (stamp != 0 && isPresent(first, last)) {
            copy(offset, length, target);
            if (lock.validate(stamp)) {
                touch(first, last);
                return true;
            }
        }
        stamp = lock.readLock();
        try {
            if (!isPresent(first, last)) {
                return false;
            }
            copy(offset, length, target);
        } finally {
            lock.unlockRead(stamp);
        }
        touch(first, last);
        return true;
    }

    /** Whether nothing of a range is missing. */
    public boolean isPresent(int first, int last) {
        for (int chunk = first; chunk <= last; chunk++) {
            if (isMissing(chunk)) {
                return false;
            }
        }
        return true;
    }

    private void copy(long offset, int length, MemorySegment target) throws IOException {
        if (closed) {
            throw new IOException("blob " + id + " was released");
        }
        long read = Libc.pread(data, target, length, offset);
        if (read != length) {
            throw read < 0
                    ? new SystemCallFailed("read " + dataFile, (int) -read)
                    : new IOException("%s ends at %d, before %d".formatted(dataFile, offset + read, offset + length));
        }
    }

    private void touch(int first, int last) {
        int now = store.coarseNow();
        for (int chunk = first; chunk <= last; chunk++) {
            lastUse[chunk] = now;
        }
        if (!usedSinceRemembered) {
            usedSinceRemembered = true;
        }
    }

    /** Puts on disk when chunks were read last. */
    void rememberUse() throws IOException {
        if (usedSinceRemembered && !closed) {
            usedSinceRemembered = false;
            RecencyFile.write(recencyFile, lastUse);
        }
    }

    /**
     * Compares chunks of an earlier life with their digests, before anybody reads them.
     *
     * @return bytes that were read for it; 0 when there are no more
     */
    long scrub(long mostBytes) throws IOException {
        long bytes = 0;
        while (scrubbed < layout.count() && bytes < mostBytes && !closed) {
            int chunk = scrubbed++;
            if (present.contains(chunk) && !trusted.contains(chunk)) {
                bytes += layout.length(chunk);
                isTrusted(chunk);
            }
        }
        return bytes;
    }

    /** Chunks that this process wrote are trusted; those of an earlier life are read and compared once. */
    private boolean isTrusted(int chunk) throws IOException {
        if (trusted.contains(chunk) || layout.length(chunk) == 0) {
            return true;
        }
        try (var arena = Arena.ofConfined()) {
            var content = arena.allocate(layout.length(chunk), 8);
            long stamp = lock.readLock();
            try {
                if (!present.contains(chunk)) {
                    return false;
                }
                copy(layout.offset(chunk), layout.length(chunk), content);
            } finally {
                lock.unlockRead(stamp);
            }
            if (layout.isIntact(chunk, content)) {
                trusted.add(chunk);
                return true;
            }
        }
        LOG.error("chunk {} of blob {} is damaged on disk ({}); it is dropped and fetched again", chunk, id, dataFile);
        store.metrics().damaged();
        forget(chunk);
        return false;
    }

    /** Takes a chunk that is not right for missing. In a file that others read, the right one will be written over it. */
    void forget(int chunk) throws IOException {
        persisting.lock();
        try {
            drop(new int[] {chunk}, !isReadByOthers());
        } finally {
            persisting.unlock();
        }
    }

    /** The file that others may read once the blob is whole. */
    public Path dataFile() {
        return dataFile;
    }

    /** Whether all chunks that are known are here, and were compared with their digests in this life of the process. */
    public boolean isWhole() {
        for (int chunk = 0; chunk < layout.count(); chunk++) {
            if (layout.length(chunk) > 0 && !(present.contains(chunk) && trusted.contains(chunk))) {
                return false;
            }
        }
        return true;
    }

    /** Compares a chunk with its digest unless that was done. @return whether it is here and right */
    public boolean verify(int chunk) throws IOException {
        return layout.length(chunk) == 0 || (present.contains(chunk) && isTrusted(chunk));
    }

    /** Keeps every chunk on disk until the pin is closed. */
    public Pin pin() {
        persisting.lock();
        try {
            pins++;
        } finally {
            persisting.unlock();
        }
        return () -> {
            persisting.lock();
            try {
                pins--;
            } finally {
                persisting.unlock();
            }
        };
    }

    /** A promise that no chunk leaves the disk. */
    public interface Pin extends AutoCloseable {
        @Override
        void close();
    }

    /** Whether somebody reads, or is about to read, the file without asking us. */
    boolean isReadByOthers() {
        persisting.lock();
        try {
            return pins > 0 || (!closed && Libc.isOpenElsewhere(data, dataFile.toString()));
        } catch (SystemCallFailed e) {
            // The kernel cannot tell. Nobody was given a file of this process's, since the store asks first.
            return isOld || store.canTellReaders();
        } finally {
            persisting.unlock();
        }
    }

    /**
     * Checks a chunk's content and keeps it.
     *
     * @param content the chunk's uncompressed bytes, in native memory
     */
    public Kept put(int chunk, MemorySegment content) throws IOException {
        if (content.byteSize() != layout.length(chunk) || !layout.isIntact(chunk, content)) {
            return Kept.CORRUPT;
        }
        if (present.contains(chunk)) {
            return Kept.ON_DISK;
        }
        if (!store.reserve(layout.footprint(chunk))) {
            store.metrics().uncached();
            return Kept.UNCACHED;
        }
        boolean added = false;
        long stamp = lock.readLock();
        try {
            if (closed) {
                throw new IOException("blob " + id + " was released");
            }
            if (present.contains(chunk)) {
                return Kept.ON_DISK;
            }
            Libc.pwrite(data, content, content.byteSize(), layout.offset(chunk), dataFile.toString());
            trusted.add(chunk);
            lastUse[chunk] = store.coarseNow();
            added = present.add(chunk);
            if (added) {
                cachedBytes.addAndGet(layout.footprint(chunk));
                presence.note(chunk, present.word(chunk));
            }
            dirty = true;
            return Kept.ON_DISK;
        } catch (SystemCallFailed e) {
            if (!e.isDiskFull()) {
                LOG.error("chunk {} of blob {} cannot be kept: {}", chunk, id, e.getMessage());
            }
            store.refused(e, this, chunk);
            return Kept.UNCACHED;
        } finally {
            lock.unlockRead(stamp);
            if (added) {
                store.added();
            } else {
                store.removed(layout.footprint(chunk));
            }
        }
    }

    /** What became of a chunk that was put. */
    public enum Kept {
        ON_DISK,
        /** Its content is right, but there is no room for it. */
        UNCACHED,
        /** Its content is not what its digest says; it must not be served. */
        CORRUPT
    }

    /** Makes what is present survive a power failure. */
    public void persist() throws IOException {
        persisting.lock();
        try {
            if (!dirty || closed) {
                return;
            }
            dirty = false;
            var bits = present.toBits();
            try {
                Libc.fdatasync(data, dataFile.toString());
            } catch (SystemCallFailed e) {
                // What the kernel could not write it has thrown away; nobody can say which part that was.
                for (int chunk = 0; chunk < layout.count(); chunk++) {
                    boolean onDisk = (durable[chunk >>> 6] & (1L << (chunk & 63))) != 0;
                    if (!onDisk && present.remove(chunk)) {
                        cachedBytes.addAndGet(-layout.footprint(chunk));
                        store.removed(layout.footprint(chunk));
                    }
                }
                presence.write(present.toBits());
                throw e;
            }
            System.arraycopy(bits, 0, durable, 0, bits.length);
            presence.write(present.toBits());
        } finally {
            persisting.unlock();
        }
    }

    /** Gives the space of chunks back, unless others read the file. @return bytes given back */
    long evict(int[] chunks) throws IOException {
        persisting.lock();
        try {
            return isReadByOthers() ? 0 : drop(chunks, true);
        } finally {
            persisting.unlock();
        }
    }

    /**
     * Drops chunks: from the set, from the presence file, from the disk, in this order. Their room is free for others only
     * then, so that there is never more on disk than is counted.
     *
     * @return bytes given back
     */
    private long drop(int[] chunks, boolean punch) throws IOException {
        if (closed) {
            return 0;
        }
        long freed = 0;
        long stamp = lock.writeLock();
        try {
            for (int chunk : chunks) {
                if (present.remove(chunk)) {
                    freed += layout.footprint(chunk);
                }
                trusted.remove(chunk);
            }
        } finally {
            lock.unlockWrite(stamp);
        }
        cachedBytes.addAndGet(-freed);
        try {
            for (int chunk : chunks) {
                durable[chunk >>> 6] &= ~(1L << (chunk & 63));
            }
            presence.write(present.toBits());
            presence.sync();
            if (punch) {
                for (int chunk : chunks) {
                    punch(chunk);
                }
            }
        } finally {
            store.removed(freed);
        }
        return freed;
    }

    /** Gives a chunk's space back unless it has been fetched again meanwhile. */
    private void punch(int chunk) throws SystemCallFailed {
        long stamp = lock.writeLock();
        try {
            if (!closed && !present.contains(chunk)) {
                Libc.punchHole(data, layout.offset(chunk), layout.footprint(chunk), dataFile.toString());
            }
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    int lastUse(int chunk) {
        return lastUse[chunk];
    }

    /** Closes the files. Only the store calls it, when nobody holds the blob any more. */
    void close(boolean discard) throws IOException {
        if (!discard) {
            persist();
            rememberUse();
        }
        persisting.lock();
        try {
            long stamp = lock.writeLock();
            try {
                if (closed) {
                    return;
                }
                closed = true;
            } finally {
                lock.unlockWrite(stamp);
            }
            presence.close();
            Libc.close(data);
            store.released(cachedBytes());
            if (discard) {
                Files.deleteIfExists(presenceFile);
                Files.deleteIfExists(recencyFile);
                Files.deleteIfExists(dataFile);
            }
        } finally {
            persisting.unlock();
        }
    }
}
