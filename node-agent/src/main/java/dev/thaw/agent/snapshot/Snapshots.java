package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.AgentException.SnapshotRefused;
import dev.thaw.agent.image.LazyImages;
import dev.thaw.oci.Digest;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The snapshotter. An ordinary layer is a directory and its root an overlay, exactly as in containerd's own overlayfs
 * snapshotter; a claimed layer is only a record, and the root above the topmost one has the whole lazy image below it.
 *
 * <p>A layer is claimed if containerd offers it ({@code containerd.io/snapshot.ref}), its label names an image that
 * {@link LazyImages} will serve, and it continues that image: it has no parent, or the parent is the layer claimed before
 * it. So claimed layers always are the lowest ones of one image, in order, and a root may stand on them once they are all
 * there.
 *
 * <p>Order of things: directories before their record, the record before the answer; on removal the record first. What a
 * crash leaves between is repaired by {@link #restore}. Long work (deleting, measuring) is done aside, on few threads:
 * it would hold up calls, and a disk gains nothing from more.
 */
public final class Snapshots implements AutoCloseable {
    /** containerd's offer: the name under which it will look for the layer, if it is claimed. */
    static final String REF = "containerd.io/snapshot.ref";
    /** Digest of the lazy image's artifact manifest, from the annotation of the layer's descriptor. */
    static final String IMAGE = "containerd.io/snapshot/thaw.dev.image";

    private static final Duration MOUNT_LIMIT = Duration.ofSeconds(30);

    private static final Logger LOG = LoggerFactory.getLogger(Snapshots.class);

    private final SnapshotRecords records;
    private final SnapshotDirectories directories;
    private final RootShape shape;
    private final LazyImages images;
    private final SnapshotWatcher watcher;
    private final Clock clock;
    private final ExecutorService aside = Executors.newFixedThreadPool(
            2, Thread.ofPlatform().daemon().name("snapshots-", 0).factory());
    private final ConcurrentHashMap<Digest, ReentrantLock> holds = new ConcurrentHashMap<>();

    /**
     * @param settings where things are
     * @param records closed by the caller, after this
     */
    public Snapshots(
            SnapshotSettings settings, SnapshotRecords records, LazyImages images, SnapshotWatcher watcher, Clock clock)
            throws AgentException {
        this.records = records;
        this.directories = new SnapshotDirectories(settings.directory());
        this.shape = new RootShape(directories, settings.overlayOptions(), settings.remapIds());
        this.images = images;
        this.watcher = watcher;
        this.clock = clock;
    }

    /**
     * Repairs what a crash left, and mounts the images that snapshots refer to. Comes before any other call.
     *
     * @throws AgentException if the node's disk refuses, or no image can be mounted
     */
    public void restore() throws AgentException {
        records.withIds(ids -> {
            directories.retireAllBut(ids);
            return ids;
        });
        for (var snapshot : records.all()) {
            if (snapshot.claim().isEmpty() && directories.repair(snapshot.id(), snapshot.kind())) {
                if (snapshot.kind() == Kind.COMMITTED) {
                    LOG.error(
                            "The files of layer {} are lost; it is empty now. Remove the images that use it and pull them again.",
                            snapshot.name());
                } else {
                    LOG.warn("The files of snapshot {} were lost; it starts empty.", snapshot.name());
                }
            }
        }
        images.restore(records.images());
        for (var image : records.images()) {
            idle(image);
        }
        for (var snapshot : records.unmeasured()) {
            measureAside(snapshot.id());
        }
        aside("sweep", directories::sweep);
    }

    /** What came of a {@link #prepare}. */
    public sealed interface Prepared {
        /** A writable root, made of these mounts. */
        record Writable(List<Mount> mounts) implements Prepared {}

        /** The layer that containerd offered is there, committed, under the name that it gave. */
        record Claimed(String name) implements Prepared {}
    }

    /**
     * Makes an active snapshot, or claims the layer that containerd offers with it.
     *
     * @param parent name of a committed snapshot, empty for none
     */
    public Prepared prepare(String key, String parent, Map<String, String> labels) throws AgentException {
        var began = clock.instant();
        var ref = labels.getOrDefault(REF, "");
        var image = image(labels);
        if (!ref.isEmpty() && image.isPresent() && claim(ref, parent, image.get(), labels, began)) {
            return new Prepared.Claimed(ref);
        }
        return new Prepared.Writable(create(Kind.ACTIVE, key, parent, labels));
    }

    /** Makes a read-only snapshot. */
    public List<Mount> view(String key, String parent, Map<String, String> labels) throws AgentException {
        return create(Kind.VIEW, key, parent, labels);
    }

    /** The mounts of an active snapshot or a view, as when it was made. */
    public List<Mount> mounts(String key) throws AgentException {
        var snapshot = records.get(key);
        if (snapshot.kind() == Kind.COMMITTED) {
            throw Refused.precondition("snapshot " + key + " is committed: it has no mounts, make a view of it");
        }
        var below = records.ancestors(snapshot);
        return shape.mounts(snapshot.kind(), snapshot.id(), lowers(below), snapshot.labels());
    }

    /**
     * Makes a layer of an active snapshot. Usage is measured afterwards: containerd calls this inside a transaction of its
     * own, which nothing may hold up.
     */
    public void commit(String name, String key, Map<String, String> labels) throws AgentException {
        requireName(name);
        var committed = records.commit(key, name, labels, clock.instant());
        measureAside(committed.id());
    }

    /** Forgets a snapshot. Its files are deleted afterwards. */
    public void remove(String key) throws AgentException {
        var removed = records.remove(key);
        if (removed.claim().isPresent()) {
            var image = removed.claim().get().image();
            if (records.references(image) == 0) {
                aside("release", () -> release(image));
            }
        } else {
            directories.retire(removed.id());
            aside("sweep", directories::sweep);
            if (!removed.parent().isEmpty()) {
                aside("idle", () -> idleBelow(removed.parent()));
            }
        }
        watcher.removed(key);
    }

    /** Looks whether the last root on a lazy image was removed. */
    private void idleBelow(String parent) throws AgentException {
        var direct = records.find(parent);
        if (direct.isEmpty()) {
            return;
        }
        var below = new ArrayList<>(records.ancestors(direct.get()));
        below.addFirst(direct.get());
        var image = image(below);
        if (image.isPresent()) {
            idle(image.get());
        }
    }

    private void idle(Digest image) throws AgentException {
        var hold = hold(image);
        hold.lock();
        try {
            if (records.references(image) > 0 && records.roots(image) == 0) {
                images.idle(image);
            }
        } finally {
            hold.unlock();
        }
    }

    public Snapshot stat(String key) throws AgentException {
        return records.get(key);
    }

    /**
     * Changes labels, the only thing that may change.
     *
     * @param paths {@code labels} or {@code labels.<key>}; none: all labels
     */
    public Snapshot update(String name, Map<String, String> labels, List<String> paths) throws AgentException {
        return records.relabel(
                name,
                old -> {
                    if (paths.isEmpty()) {
                        return labels;
                    }
                    var changed = new HashMap<>(old);
                    for (var path : paths) {
                        if (path.equals("labels")) {
                            changed.clear();
                            changed.putAll(labels);
                        } else if (path.startsWith("labels.")) {
                            var label = path.substring("labels.".length());
                            changed.put(label, labels.getOrDefault(label, ""));
                        } else {
                            throw Refused.invalid(
                                    "field '" + path + "' of snapshot " + name + " cannot be changed: only labels can");
                        }
                    }
                    return changed;
                },
                clock.instant());
    }

    /** The snapshots that match one of the filters; all, if there are none. */
    public List<Snapshot> list(List<String> filters) throws AgentException {
        var matches = Filters.parse(filters);
        return records.all().stream().filter(matches).toList();
    }

    /** What a snapshot takes of the disk. A claimed layer takes nothing: its bytes are the chunk store's. */
    public Usage usage(String key) throws AgentException {
        var snapshot = records.get(key);
        return switch (snapshot.kind()) {
            case VIEW -> Usage.NONE;
            case ACTIVE -> directories.usage(snapshot.id());
            case COMMITTED -> {
                var known = records.usage(snapshot.id());
                yield known.isPresent() ? known.get() : measure(snapshot.id());
            }
        };
    }

    /** Deletes what removed snapshots and crashes left. Returns when it is gone. */
    public void cleanup() throws AgentException {
        records.withIds(ids -> {
            directories.retireAllBut(ids);
            return ids;
        });
        directories.sweep();
    }

    /**
     * The root of a container on a lazy image.
     *
     * @param key as containerd gave it
     */
    public record LazyRoot(String key, Digest image, Instant created) {}

    /** The root of that key, as clients of containerd name it, if it stands on a lazy image. */
    public Optional<LazyRoot> lazyRoot(String namespace, String key) throws AgentException {
        var root = records.find(namespace, key);
        if (root.isEmpty()) {
            return Optional.empty();
        }
        return records.ancestors(root.get()).stream()
                .flatMap(below -> below.claim().stream())
                .findFirst()
                .map(claim -> new LazyRoot(
                        root.get().name(), claim.image(), root.get().created()));
    }

    /** Whether a snapshot on this node refers to the image. */
    public boolean isInUse(Digest image) throws AgentException {
        return records.references(image) > 0;
    }

    /** Nothing but snapshots needs the image any longer: it is released unless one refers to it. */
    public void needNoLonger(Digest image) {
        aside("release", () -> release(image));
    }

    /** Lets the work that is done aside come to an end. */
    @Override
    public void close() {
        aside.shutdown();
        try {
            if (!aside.awaitTermination(10, TimeUnit.SECONDS)) {
                aside.shutdownNow();
            }
        } catch (InterruptedException e) {
            aside.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }

    // --- claims

    private static Optional<Digest> image(Map<String, String> labels) {
        var label = labels.get(IMAGE);
        if (label == null) {
            return Optional.empty();
        }
        try {
            return Optional.of(Digest.parse(label));
        } catch (IllegalArgumentException e) {
            LOG.debug("label {} is no digest: {}", IMAGE, e.getMessage());
            return Optional.empty();
        }
    }

    private boolean claim(String ref, String parent, Digest image, Map<String, String> labels, Instant began)
            throws AgentException {
        int depth = 1;
        if (!parent.isEmpty()) {
            var below = records.get(parent).claim();
            if (below.isEmpty() || !below.get().image().equals(image)) {
                return false;
            }
            depth = below.get().depth() + 1;
        }
        var known = records.find(ref);
        if (known.isPresent()) {
            return isClaim(known.get(), parent, image);
        }
        // Held until the record is written, so that the image is not released between its promise and our record.
        var hold = hold(image);
        hold.lock();
        try {
            if (depth == 1) {
                if (records.references(image) == 0) {
                    watcher.pullBegan(image, began);
                }
                if (!images.claim(image)) {
                    return false;
                }
            }
            if (depth > images.layers(image)) {
                return false;
            }
            records.claim(ref, parent, labels, new Snapshot.Claim(image, depth), clock.instant());
            return true;
        } catch (SnapshotRefused e) {
            // Another pull of the same image may have been faster.
            var faster = records.find(ref);
            if (faster.isPresent() && isClaim(faster.get(), parent, image)) {
                return true;
            }
            throw e;
        } finally {
            hold.unlock();
        }
    }

    /** Whether containerd, told that the layer exists, will find that record and take it for the right one. */
    private static boolean isClaim(Snapshot snapshot, String parent, Digest image) {
        return snapshot.claim().isPresent()
                && snapshot.claim().get().image().equals(image)
                && snapshot.parent().equals(parent)
                && snapshot.name().equals(snapshot.labels().get(REF));
    }

    private void release(Digest image) throws AgentException {
        var hold = hold(image);
        hold.lock();
        try {
            if (records.references(image) == 0) {
                images.release(image);
                watcher.imageReleased(image);
            }
        } finally {
            hold.unlock();
        }
    }

    private ReentrantLock hold(Digest image) {
        return holds.computeIfAbsent(image, digest -> new ReentrantLock());
    }

    // --- ordinary snapshots

    private List<Mount> create(Kind kind, String key, String parent, Map<String, String> labels) throws AgentException {
        requireName(key);
        var below = new ArrayList<Snapshot>();
        if (!parent.isEmpty()) {
            var direct = records.get(parent);
            below.add(direct);
            below.addAll(records.ancestors(direct));
        }
        var image = image(below);
        if (image.isEmpty()) {
            return create(kind, key, parent, labels, below);
        }
        // Held until the record is written, so that the mount on which it will stand is not found idle.
        var hold = hold(image.get());
        hold.lock();
        try {
            return create(kind, key, parent, labels, below);
        } finally {
            hold.unlock();
        }
    }

    private List<Mount> create(Kind kind, String key, String parent, Map<String, String> labels, List<Snapshot> below)
            throws AgentException {
        var lowers = lowers(below);
        var owner = owner(below, lowers, labels);
        var fresh = directories.make(kind);
        Snapshot snapshot;
        List<Mount> mounts;
        try {
            // Nothing may fail between the record and the answer: a snapshot that containerd was not told of is in its
            // way.
            shape.mounts(kind, Long.MAX_VALUE, lowers, labels);
            if (owner.isPresent()) {
                SnapshotDirectories.own(fresh, owner.get());
            }
            snapshot = records.create(kind, key, parent, labels, clock.instant(), id -> directories.place(fresh, id));
            directories.placed(fresh);
            mounts = shape.mounts(kind, snapshot.id(), lowers, labels);
        } catch (AgentException e) {
            directories.discard(fresh);
            throw e;
        }
        image(below).ifPresent(image -> watcher.rootMounted(key, image, clock.instant()));
        return mounts;
    }

    /** Mounts the lazy image at the bottom, if there is one. */
    private Lowers lowers(List<Snapshot> below) throws AgentException {
        var ordinary = new ArrayList<Long>();
        for (var snapshot : below) {
            if (snapshot.claim().isPresent()) {
                return new Lowers(ordinary, Optional.of(mount(snapshot.claim().get())));
            }
            ordinary.add(snapshot.id());
        }
        return new Lowers(ordinary, Optional.empty());
    }

    private Path mount(Snapshot.Claim top) throws AgentException {
        int layers = images.layers(top.image());
        if (top.depth() != layers) {
            throw Refused.precondition("the root stands on layer " + top.depth() + " of lazy image " + top.image()
                    + ", which has " + layers
                    + " and is served whole: pull the image again, or use the image that it was made from");
        }
        return images.mount(top.image());
    }

    private static Optional<Digest> image(List<Snapshot> below) {
        return below.stream()
                .flatMap(snapshot -> snapshot.claim().stream())
                .map(Snapshot.Claim::image)
                .findFirst();
    }

    /** Root in the user namespace, else the owner of what the snapshot stands on, else who made it. */
    private Optional<SnapshotDirectories.Owner> owner(List<Snapshot> below, Lowers lowers, Map<String, String> labels)
            throws AgentException {
        var mapped = IdMapping.root(labels);
        if (mapped.isPresent() || below.isEmpty()) {
            return mapped;
        }
        var direct = below.getFirst();
        return Optional.of(
                direct.claim().isPresent()
                        ? imageOwner(lowers.image().orElseThrow())
                        : SnapshotDirectories.Owner.of(directories.files(direct.id())));
    }

    /**
     * Looks into a mounted image, which this process may be serving itself: not on a virtual thread, whose carrier the answer
     * may need, and not for ever.
     */
    private static SnapshotDirectories.Owner imageOwner(Path root) throws AgentException {
        var look = new FutureTask<>(() -> SnapshotDirectories.Owner.of(root));
        Thread.ofPlatform().daemon().name("look-" + root.getFileName()).start(look);
        try {
            return look.get(MOUNT_LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new MountFailed(root, "does not answer within " + MOUNT_LIMIT.toSeconds() + " s", e);
        } catch (ExecutionException e) {
            throw new MountFailed(root, "cannot be read: " + e.getCause(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new MountFailed(root, "was not waited for", e);
        }
    }

    private void measureAside(long id) {
        aside("measure", () -> {
            try {
                measure(id);
            } catch (AgentException e) {
                // Removed meanwhile: nobody will ask.
                if (records.ids().contains(id)) {
                    throw e;
                }
            }
        });
    }

    private Usage measure(long id) throws AgentException {
        var usage = directories.usage(id);
        records.measured(id, usage);
        return usage;
    }

    private static void requireName(String name) throws SnapshotRefused {
        if (name.isEmpty()) {
            throw Refused.invalid("a snapshot needs a name");
        }
    }

    /** Work that may fail with nobody waiting for it. */
    private interface Chore {
        void run() throws AgentException;
    }

    private void aside(String name, Chore chore) {
        aside.execute(() -> {
            try {
                chore.run();
            } catch (AgentException | RuntimeException e) {
                LOG.warn("{}: {}", name, e.getMessage(), e);
            }
        });
    }
}
