package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.fetch.Device;
import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * The files of the flat file system: one for each device, named by its number. The kernel may ask for a device before the
 * agent, which has just started, has opened its image again; such a read waits.
 */
final class DeviceFiles {
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final Map<Long, DeviceFile> files = new ConcurrentHashMap<>();
    private volatile boolean left;

    /** One device, and what serves it once that is known. */
    static final class DeviceFile {
        private final long number;
        private final long sizeBytes;
        private final CompletableFuture<Device> served = new CompletableFuture<>();
        private final Set<Thread> readers = ConcurrentHashMap.newKeySet();
        private volatile boolean removed;

        private DeviceFile(long number, long sizeBytes) {
            this.number = number;
            this.sizeBytes = sizeBytes;
        }

        long number() {
            return number;
        }

        long sizeBytes() {
            return sizeBytes;
        }

        @Nullable Device ready() {
            return removed || served.isCompletedExceptionally() ? null : served.getNow(null);
        }

        /** A reader that may have to wait has come. */
        void enter(Thread reader) throws ReadFailed {
            readers.add(reader);
            if (removed) {
                throw new ReadFailed("device " + number, "its image was released", null);
            }
        }

        void leave(Thread reader) {
            readers.remove(reader);
        }

        Device await() throws ReadFailed, InterruptedException {
            try {
                return served.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            } catch (ExecutionException | TimeoutException e) {
                throw new ReadFailed("device " + number, "its image was not opened again", e);
            }
        }
    }

    /** Makes a device known without saying what serves it. */
    void expect(long number, long sizeBytes) {
        files.computeIfAbsent(number, n -> new DeviceFile(n, sizeBytes));
    }

    void serve(long number, Device device) {
        files.computeIfAbsent(number, n -> new DeviceFile(n, device.sizeBytes()))
                .served
                .complete(device);
    }

    /** Ends all reads of a device, those that wait among them. */
    void remove(long number) {
        var file = files.remove(number);
        if (file != null) {
            file.removed = true;
            file.served.completeExceptionally(new IllegalStateException("removed"));
            file.readers.forEach(Thread::interrupt);
        }
    }

    /** From now on the devices are the next process's: what it is not told has failed it will be asked again. */
    void leave() {
        left = true;
    }

    boolean areLeft() {
        return left;
    }

    @Nullable DeviceFile find(long number) {
        return files.get(number);
    }

    Collection<DeviceFile> all() {
        return files.values();
    }
}
