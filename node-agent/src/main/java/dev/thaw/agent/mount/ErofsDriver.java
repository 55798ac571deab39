package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.fetch.Device;
import dev.thaw.agent.linux.Libc;
import dev.thaw.agent.linux.MountContext;
import dev.thaw.agent.linux.MountTable;
import dev.thaw.agent.linux.Mounts;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The fast driver: the kernel's EROFS reads the tree from the bootstrap and the content from device files, one for each blob,
 * which {@link FlatFuse} serves. Metadata and warm reads never leave the kernel.
 *
 * <p>A holder process keeps the FUSE session open. When this process ends, reads wait; the next one takes the session over and
 * answers them. Without a holder the devices end with the process, and images are mounted anew at the next start.
 *
 * <p>An image whose blobs are whole is mounted a second time, <em>detached</em>: on the blobs' files themselves.
 */
public final class ErofsDriver implements MountDriver {
    private static final Logger LOG = LoggerFactory.getLogger(ErofsDriver.class);
    private static final Duration HOLDER_INTERVAL = Duration.ofSeconds(5);
    private static final Path BACKING_DEVICES = Path.of("/sys/class/bdi");

    private final ErofsSettings settings;
    private final DeviceTable table;
    private final DeviceFiles files;
    private final FlatFuse fuse;
    private final HeldDescriptors holder;
    private final String session;
    private volatile boolean held;
    private final Thread keeper;
    private final String reason;
    private final ReentrantLock lock = new ReentrantLock();
    private final Set<String> mounted = new HashSet<>();

    private ErofsDriver(
            ErofsSettings settings,
            DeviceTable table,
            DeviceFiles files,
            FlatFuse fuse,
            HeldDescriptors holder,
            String session,
            boolean held,
            String reason) {
        this.settings = settings;
        this.table = table;
        this.files = files;
        this.fuse = fuse;
        this.holder = holder;
        this.session = session;
        this.held = held;
        this.reason = reason;
        keeper = Thread.ofVirtual().name("session-keeper").start(this::keepHeld);
    }

    /** A holder may start after this process, or start again and have lost everything. */
    private void keepHeld() {
        try {
            while (true) {
                Thread.sleep(HOLDER_INTERVAL);
                if (holder.holds(session)) {
                    continue;
                }
                held = handOver();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Gives the session to a holder that has not got it. @return whether it has it now */
    private boolean handOver() {
        if (!holder.isThere()) {
            if (held) {
                LOG.warn("the holder at {} has gone: mounts will end with this process", settings.holder());
            }
            return false;
        }
        try {
            holder.put(session, fuse.session());
            LOG.info("the holder at {} now keeps the devices alive", settings.holder());
            return true;
        } catch (IOException e) {
            LOG.warn("the holder at {} did not take the devices: {}", settings.holder(), e.getMessage());
            return false;
        }
    }

    /**
     * Takes over the devices of the process before, or begins with none.
     *
     * @param reason why this driver was chosen
     */
    public static ErofsDriver start(ErofsSettings settings, MeterRegistry registry, String reason) throws MountFailed {
        try {
            return startOrThrow(settings, registry, reason);
        } catch (IOException e) {
            throw new MountFailed(settings.devices(), "devices cannot be served: " + e.getMessage(), e);
        }
    }

    private static ErofsDriver startOrThrow(ErofsSettings settings, MeterRegistry registry, String reason)
            throws IOException {
        Files.createDirectories(settings.mounts());
        Files.createDirectories(settings.detached());
        var table = DeviceTable.open(settings.deviceTable());
        var files = new DeviceFiles();
        var metrics = new FuseMetrics(registry, "erofs");
        var holder = new HeldDescriptors(settings.holder());
        var session = "fuse " + settings.devices();
        boolean held = holder.isThere();
        if (held) {
            for (var row : table.rows()) {
                files.expect(row.number(), row.sizeBytes());
            }
            var taken = takeOver(settings, files, metrics, holder, session);
            if (taken != null) {
                LOG.info("took the devices of the last process over; running containers go on");
                return new ErofsDriver(settings, table, files, taken, holder, session, true, reason);
            }
        }
        // Whatever is mounted reads from devices that have ended.
        Mounts.detachAll(settings.mounts());
        var fresh = FlatFuse.mount(settings.devices(), files, metrics, settings.threads());
        if (held) {
            holder.put(session, fresh.session());
        } else {
            LOG.warn(
                    "no holder at {}: containers on lazy images will see input/output errors when this process ends",
                    settings.holder());
        }
        return new ErofsDriver(settings, table, files, fresh, holder, session, held, reason);
    }

    private static @org.jspecify.annotations.Nullable FlatFuse takeOver(
            ErofsSettings settings, DeviceFiles files, FuseMetrics metrics, HeldDescriptors holder, String session)
            throws IOException {
        var descriptor = holder.get(session);
        if (descriptor.isEmpty()) {
            return null;
        }
        if (!FlatFuse.isMounted(settings.devices())) {
            Libc.close(descriptor.getAsInt());
            holder.drop(session);
            return null;
        }
        var fuse = FlatFuse.takeOver(settings.devices(), descriptor.getAsInt(), files, metrics, settings.threads());
        if (Mounts.isAlive(settings.devices())) {
            return fuse;
        }
        LOG.warn("the devices that the holder keeps are dead; beginning anew");
        fuse.destroy();
        holder.drop(session);
        return null;
    }

    @Override
    public String name() {
        return "erofs";
    }

    @Override
    public String reason() {
        return reason;
    }

    @Override
    public boolean survivesRestart() {
        return held;
    }

    @Override
    public Path point(String image) {
        return settings.mounts().resolve(image);
    }

    @Override
    public Set<String> takenOver() {
        lock.lock();
        try {
            return isTakenOver()
                    ? table.rows().stream().map(DeviceTable.Row::image).collect(Collectors.toSet())
                    : Set.of();
        } finally {
            lock.unlock();
        }
    }

    /** Whether the devices were begun by a process before this one. */
    boolean isTakenOver() {
        return fuse.isTakenOver();
    }

    @Override
    public boolean isWaitedFor() {
        return fuse.isWaitedFor();
    }

    @Override
    public Path mount(MountableImage image) throws MountFailed {
        var point = settings.mounts().resolve(image.name());
        lock.lock();
        try {
            if (!mounted.contains(image.name())) {
                mount(image, point);
                mounted.add(image.name());
            }
            return point;
        } catch (IOException e) {
            throw new MountFailed(point, "EROFS cannot be mounted: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }

    private void mount(MountableImage image, Path point) throws IOException {
        var rows = table.of(
                image.name(), image.devices().stream().map(Device::sizeBytes).toList());
        for (var row : rows) {
            files.serve(row.number(), image.devices().get(row.index()));
        }
        if (isMounted(point)) {
            LOG.info("image {} is still mounted", image.name());
            return;
        }
        var backing = mount(
                image.bootstrapFile(),
                rows.stream().map(row -> fuse.file(row.number())).toList(),
                point,
                settings.readAheadKiB());
        table.back(image.name(), backing);
    }

    private static boolean isMounted(Path point) throws IOException {
        return MountTable.read()
                        .at(point)
                        .filter(mount -> mount.type().equals("erofs"))
                        .isPresent()
                && Mounts.isAlive(point);
    }

    /** @return the name of the mount's backing device, if it can be told */
    private Optional<String> mount(Path bootstrap, List<Path> devices, Path point, int readAheadKiB)
            throws IOException {
        Mounts.detachAll(point);
        Files.createDirectories(point);
        var before = backingDevices();
        try (var context = MountContext.open("erofs")) {
            context.option("source", bootstrap.toString());
            context.flag("ro");
            context.flag("directio");
            for (var device : devices) {
                context.option("device", device.toString());
            }
            context.mountReadOnly(point);
        }
        // The kernel numbers EROFS mounts by itself and tells nobody; the one that is new is ours.
        var added = backingDevices();
        added.removeAll(before);
        added.forEach(device -> setReadAhead(device, readAheadKiB));
        return added.size() == 1
                ? Optional.of(added.iterator().next().getFileName().toString())
                : Optional.empty();
    }

    @Override
    public void readAhead(String image, List<Path> blobs, boolean whole) {
        lock.lock();
        try {
            var device = mounted.contains(image) ? table.backing(image) : Optional.<String>empty();
            device.map(BACKING_DEVICES::resolve)
                    .filter(Files::exists)
                    .ifPresent(found -> setReadAhead(
                            found,
                            whole ? Math.max(settings.readAheadKiB(), readAheadKiB(blobs)) : settings.readAheadKiB()));
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean canDetach() {
        return true;
    }

    @Override
    public Path detach(MountableImage image, List<Path> blobs) throws MountFailed {
        var point = settings.detached().resolve(image.name());
        lock.lock();
        try {
            if (!isMounted(point)) {
                mount(image.bootstrapFile(), blobs, point, readAheadKiB(blobs));
            }
            return point;
        } catch (IOException e) {
            throw new MountFailed(point, "the image cannot be detached: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Optional<Path> detached(String image) {
        var point = settings.detached().resolve(image);
        lock.lock();
        try {
            return isMounted(point) ? Optional.of(point) : Optional.empty();
        } catch (IOException e) {
            LOG.warn("whether {} is mounted cannot be seen: {}", point, e.getMessage());
            return Optional.empty();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void endDetached(String image) throws MountFailed {
        var point = settings.detached().resolve(image);
        lock.lock();
        try {
            Mounts.unmount(point);
            Files.deleteIfExists(point);
        } catch (IOException e) {
            throw new MountFailed(point, "cannot be unmounted: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }

    /**
     * As overlayfs has it on the same disk. It is also what the pages in the cache are made as large for: on smaller ones warm
     * reads are slower, those of mapped files by several times.
     */
    private int readAheadKiB(List<Path> blobs) {
        return blobs.stream()
                .flatMapToInt(blob -> DiskReadAhead.of(blob).stream())
                .findFirst()
                .orElse(settings.readAheadKiB());
    }

    private static Set<Path> backingDevices() throws IOException {
        var devices = new HashSet<Path>();
        if (Files.isDirectory(BACKING_DEVICES)) {
            try (var found = Files.newDirectoryStream(BACKING_DEVICES, "erofs-*")) {
                found.forEach(devices::add);
            }
        }
        return devices;
    }

    private static void setReadAhead(Path device, int kibibytes) {
        var figure = device.resolve("read_ahead_kb");
        var wanted = Integer.toString(kibibytes);
        try {
            if (!Files.readString(figure).strip().equals(wanted)) {
                Files.writeString(figure, wanted);
            }
        } catch (IOException e) {
            LOG.warn("the read-ahead of {} stays as it is: {}", device, e.getMessage());
        }
    }

    @Override
    public void unmount(String image) throws MountFailed {
        endDetached(image);
        var point = settings.mounts().resolve(image);
        lock.lock();
        try {
            mounted.remove(image);
            // Reads in flight end first: an unmount waits for them where no signal reaches.
            for (var row : table.rows()) {
                if (row.image().equals(image)) {
                    files.remove(row.number());
                }
            }
            Mounts.unmount(point);
            Files.deleteIfExists(point);
            table.remove(image);
        } catch (IOException e) {
            throw new MountFailed(point, "cannot be unmounted: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void retain(Set<String> images) throws MountFailed {
        try {
            var left = new HashSet<String>();
            var mounts = MountTable.read();
            for (var directory : List.of(settings.mounts(), settings.detached())) {
                for (var mount : mounts.below(directory)) {
                    left.add(mount.point().getFileName().toString());
                }
            }
            table.rows().forEach(row -> left.add(row.image()));
            left.removeAll(images);
            for (var image : left) {
                LOG.info("image {} is mounted and no snapshot refers to it; it is unmounted", image);
                unmount(image);
            }
        } catch (IOException e) {
            throw new MountFailed(settings.mounts(), "mounts cannot be listed: " + e.getMessage(), e);
        }
    }

    @Override
    public void leave() {
        if (held) {
            files.leave();
        }
    }

    @Override
    public void close() throws MountFailed {
        keeper.interrupt();
        if (held) {
            LOG.info("leaving {} mounts to the next process", mounted.size());
            return;
        }
        destroy();
    }

    /** Takes everything away that needs a server, also what another process could go on serving. */
    public void destroy() throws MountFailed {
        keeper.interrupt();
        lock.lock();
        try {
            files.all().forEach(file -> files.remove(file.number()));
            Mounts.detachAll(settings.mounts());
            fuse.destroy();
            if (held) {
                holder.drop(session);
            }
            mounted.clear();
        } catch (IOException e) {
            throw new MountFailed(settings.mounts(), "cannot be unmounted: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }
}
