package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.Misconfigured;
import dev.thaw.agent.AgentException.StorageFailed;
import dev.thaw.oci.Digest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/**
 * The snapshots of this node, in SQLite. A method that changes something returns after the change is on disk (write-ahead
 * log, synchronous FULL) and either does all of it or nothing.
 *
 * <pre>
 * snapshot  id        never reused, also names the directory
 *           name      unique
 *           parent    id of the snapshot below, or null
 *           kind      1 view, 2 active, 3 committed
 *           image     digest of the lazy image's artifact, of claimed layers only
 *           depth     which layer of it, from 1
 *           size, inodes   usage, null until measured
 *           created, updated   nanoseconds since 1970
 * label     snapshot, key, value
 * </pre>
 *
 * <p>One connection behind one lock: a call takes microseconds, but for the flush of a change.
 */
public final class SnapshotRecords implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotRecords.class);

    /** Kept in the database's {@code user_version}. */
    private static final int SCHEMA = 1;

    private static final List<String> TABLES = List.of(
            """
            CREATE TABLE snapshot (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                name TEXT NOT NULL UNIQUE,
                parent INTEGER REFERENCES snapshot (id),
                kind INTEGER NOT NULL,
                image TEXT,
                depth INTEGER,
                size INTEGER,
                inodes INTEGER,
                created INTEGER NOT NULL,
                updated INTEGER NOT NULL)""",
            "CREATE INDEX snapshot_parent ON snapshot (parent)",
            "CREATE INDEX snapshot_image ON snapshot (image) WHERE image IS NOT NULL",
            """
            CREATE TABLE label (
                snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
                key TEXT NOT NULL,
                value TEXT NOT NULL,
                PRIMARY KEY (snapshot, key)) WITHOUT ROWID""");

    /** One row for each label of a snapshot, or one without label. */
    private static final String SELECT = """
            SELECT s.id, s.name, p.name AS parent, s.kind, s.image, s.depth, s.created, s.updated, l.key, l.value
            FROM snapshot s LEFT JOIN snapshot p ON p.id = s.parent LEFT JOIN label l ON l.snapshot = s.id
            """;

    private static final long NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);

    private final Path file;
    private final Connection connection;
    private final ReentrantLock lock = new ReentrantLock();

    private SnapshotRecords(Path file, Connection connection) {
        this.file = file;
        this.connection = connection;
    }

    /**
     * Opens the records, making them if there are none.
     *
     * @throws Misconfigured if a newer version of the agent wrote them
     * @throws StorageFailed if they cannot be read or written
     */
    @SuppressWarnings("MustBeClosedChecker")
    public static SnapshotRecords open(Path file) throws AgentException {
        var config = new SQLiteConfig();
        config.setJournalMode(SQLiteConfig.JournalMode.WAL);
        config.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
        config.enforceForeignKeys(true);
        config.setBusyTimeout((int) TimeUnit.SECONDS.toMillis(10));
        Connection connection = null;
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            connection = config.createConnection("jdbc:sqlite:" + file);
            var records = new SnapshotRecords(file, connection);
            records.migrate();
            return records;
        } catch (SQLException | IOException | AgentException e) {
            closeQuietly(connection, e);
            if (e instanceof AgentException known) {
                throw known;
            }
            throw new StorageFailed(file, "cannot open the snapshot records: " + e.getMessage(), false, e);
        }
    }

    private static void closeQuietly(@Nullable Connection connection, Exception reason) {
        if (connection != null) {
            try {
                connection.close();
            } catch (SQLException e) {
                reason.addSuppressed(e);
            }
        }
    }

    private void migrate() throws AgentException {
        transaction("prepare", () -> {
            int version = (int) count("PRAGMA user_version");
            if (version > SCHEMA) {
                throw new Misconfigured(file + " has schema " + version + ", this agent knows " + SCHEMA
                        + ": run the version that wrote it, or a newer one");
            }
            if (version < SCHEMA) {
                for (var statement : TABLES) {
                    run(statement);
                }
                run("PRAGMA user_version = " + SCHEMA);
            }
            return version;
        });
    }

    /** @throws AgentException.SnapshotRefused not found */
    Snapshot get(String name) throws AgentException {
        return find(name).orElseThrow(() -> Refused.notFound(name));
    }

    Optional<Snapshot> find(String name) throws AgentException {
        return reading(() -> select("WHERE s.name = ?", name)).stream().findFirst();
    }

    /** The snapshot of a client's key, whatever number containerd put between its namespace and the key. */
    Optional<Snapshot> find(String namespace, String key) throws AgentException {
        // GLOB and LIKE would read wildcards in names that clients chose.
        return reading(() -> select(
                        "WHERE substr(s.name, 1, length(?1) + 1) = ?1 || '/'"
                                + " AND substr(s.name, -length(?2) - 1) = '/' || ?2 ORDER BY s.id DESC",
                        namespace,
                        key))
                .stream()
                .filter(s -> s.name().indexOf('/', namespace.length() + 1)
                        == s.name().length() - key.length() - 1)
                .findFirst();
    }

    /** The snapshots below that one, nearest first. */
    List<Snapshot> ancestors(Snapshot snapshot) throws AgentException {
        return reading(() -> select("""
                JOIN (WITH RECURSIVE below (id, distance) AS (
                        SELECT parent, 1 FROM snapshot WHERE id = ? AND parent IS NOT NULL
                        UNION ALL
                        SELECT s.parent, distance + 1 FROM snapshot s JOIN below ON s.id = below.id
                        WHERE s.parent IS NOT NULL)
                    SELECT id, distance FROM below) b ON b.id = s.id
                ORDER BY b.distance""", snapshot.id()));
    }

    /** Every snapshot, claimed ones first: containerd takes the first that fits the name it offered. */
    List<Snapshot> all() throws AgentException {
        return reading(() -> select("ORDER BY s.image IS NULL, s.id"));
    }

    /** How many snapshots there are. */
    public long count() throws AgentException {
        return reading(() -> count("SELECT count(*) FROM snapshot"));
    }

    Set<Long> ids() throws AgentException {
        return reading(this::selectIds);
    }

    /** The lazy images that claimed snapshots refer to. */
    Set<Digest> images() throws AgentException {
        return reading(() -> {
            var images = new HashSet<Digest>();
            try (var statement = prepare("SELECT DISTINCT image FROM snapshot WHERE image IS NOT NULL");
                    var rows = statement.executeQuery()) {
                while (rows.next()) {
                    images.add(Digest.parse(rows.getString(1)));
                }
            }
            return images;
        });
    }

    /** How many snapshots are claimed layers of that image. */
    long references(Digest image) throws AgentException {
        return reading(() -> count("SELECT count(*) FROM snapshot WHERE image = ?", image.toString()));
    }

    /** How many containers' roots and views stand on that image. */
    long roots(Digest image) throws AgentException {
        return reading(() -> count("""
                WITH RECURSIVE above (id) AS (
                        SELECT id FROM snapshot WHERE image = ?
                        UNION SELECT s.id FROM snapshot s JOIN above ON s.parent = above.id)
                SELECT count(*) FROM snapshot WHERE kind != ? AND id IN (SELECT id FROM above)""", image.toString(), Kind.COMMITTED.code()));
    }

    /** Usage of a committed snapshot, once it was measured. */
    Optional<Usage> usage(long id) throws AgentException {
        return reading(() -> {
            try (var statement = prepare("SELECT size, inodes FROM snapshot WHERE id = ? AND size IS NOT NULL", id);
                    var rows = statement.executeQuery()) {
                return rows.next() ? Optional.of(new Usage(rows.getLong(1), rows.getLong(2))) : Optional.empty();
            }
        });
    }

    /** Committed snapshots with a directory whose usage was never measured. */
    List<Snapshot> unmeasured() throws AgentException {
        return reading(() -> select("WHERE s.kind = ? AND s.image IS NULL AND s.size IS NULL", Kind.COMMITTED.code()));
    }

    /** What puts the directory of a new snapshot in its place; the record is kept only if it returns. */
    interface Placement {
        void place(long id) throws AgentException;
    }

    /**
     * Records an active snapshot or a view. {@code placement} runs inside the transaction.
     *
     * @param parent name, empty for none
     * @throws AgentException.SnapshotRefused name exists; parent not found, or not committed (invalid argument)
     */
    Snapshot create(Kind kind, String name, String parent, Map<String, String> labels, Instant now, Placement placement)
            throws AgentException {
        return transaction("create " + name, () -> {
            var below = parent.isEmpty() ? Optional.<Snapshot>empty() : Optional.of(committed(parent));
            requireFree(name);
            long id = insert(name, below, kind, Optional.empty(), labels, now);
            placement.place(id);
            return one(id);
        });
    }

    /**
     * Records a layer of a lazy image as committed, with nothing on disk and no usage.
     *
     * @throws AgentException.SnapshotRefused name exists; parent not found, or not committed
     */
    Snapshot claim(String name, String parent, Map<String, String> labels, Snapshot.Claim claim, Instant now)
            throws AgentException {
        return transaction("claim " + name, () -> {
            var below = parent.isEmpty() ? Optional.<Snapshot>empty() : Optional.of(committed(parent));
            requireFree(name);
            long id = insert(name, below, Kind.COMMITTED, Optional.of(claim), labels, now);
            update("UPDATE snapshot SET size = 0, inodes = 0 WHERE id = ?", id);
            return one(id);
        });
    }

    /**
     * Makes an active snapshot a committed one. Labels are replaced, not inherited; usage is still to be measured.
     *
     * @throws AgentException.SnapshotRefused name exists; key not found, or not active (failed precondition)
     */
    Snapshot commit(String key, String name, Map<String, String> labels, Instant now) throws AgentException {
        return transaction("commit " + key, () -> {
            requireFree(name);
            var active = present(key);
            if (active.kind() != Kind.ACTIVE) {
                throw Refused.precondition("snapshot " + key + " is not active but "
                        + active.kind().label());
            }
            update(
                    "UPDATE snapshot SET name = ?, kind = ?, created = ?, updated = ? WHERE id = ?",
                    name,
                    Kind.COMMITTED.code(),
                    nanos(now),
                    nanos(now),
                    active.id());
            relabel(active.id(), labels);
            return one(active.id());
        });
    }

    /** Changes the labels of a snapshot: {@code change} maps those it has to those it is to have. */
    Snapshot relabel(String name, Relabelling change, Instant now) throws AgentException {
        return transaction("relabel " + name, () -> {
            var snapshot = present(name);
            relabel(snapshot.id(), change.apply(snapshot.labels()));
            update("UPDATE snapshot SET updated = ? WHERE id = ?", nanos(now), snapshot.id());
            return one(snapshot.id());
        });
    }

    /** New labels from old ones. */
    interface Relabelling {
        Map<String, String> apply(Map<String, String> labels) throws AgentException;
    }

    /**
     * Forgets a snapshot.
     *
     * @return what it was
     * @throws AgentException.SnapshotRefused not found; has children (failed precondition)
     */
    Snapshot remove(String name) throws AgentException {
        return transaction("remove " + name, () -> {
            var snapshot = present(name);
            if (count("SELECT count(*) FROM snapshot WHERE parent = ?", snapshot.id()) > 0) {
                throw Refused.precondition("snapshot " + name + " has children: remove them first");
            }
            update("DELETE FROM snapshot WHERE id = ?", snapshot.id());
            return snapshot;
        });
    }

    /** Stores what a committed snapshot takes. Without effect if it is gone. */
    void measured(long id, Usage usage) throws AgentException {
        transaction(
                "measure " + id,
                () -> update(
                        "UPDATE snapshot SET size = ?, inodes = ? WHERE id = ?",
                        usage.sizeBytes(),
                        usage.inodes(),
                        id));
    }

    /** Runs {@code work} with the ids of all snapshots while none can be made or removed. */
    <T> T withIds(WithIds<T> work) throws AgentException {
        return reading(() -> work.run(selectIds()));
    }

    /** Work on the ids of all snapshots. */
    interface WithIds<T> {
        T run(Set<Long> ids) throws AgentException;
    }

    @Override
    public void close() throws StorageFailed {
        lock.lock();
        try {
            connection.close();
        } catch (SQLException e) {
            throw failed("close", e);
        } finally {
            lock.unlock();
        }
    }

    // --- statements; each runs under the lock

    private Snapshot committed(String parent) throws SQLException, AgentException {
        var below = present(parent);
        if (below.kind() != Kind.COMMITTED) {
            throw Refused.invalid(
                    "parent " + parent + " is not committed but " + below.kind().label());
        }
        return below;
    }

    private Snapshot present(String name) throws SQLException, AgentException {
        var found = select("WHERE s.name = ?", name);
        if (found.isEmpty()) {
            throw Refused.notFound(name);
        }
        return found.getFirst();
    }

    private Snapshot one(long id) throws SQLException {
        return select("WHERE s.id = ?", id).getFirst();
    }

    private void requireFree(String name) throws SQLException, AgentException {
        if (count("SELECT count(*) FROM snapshot WHERE name = ?", name) > 0) {
            throw Refused.exists(name);
        }
    }

    private long insert(
            String name,
            Optional<Snapshot> parent,
            Kind kind,
            Optional<Snapshot.Claim> claim,
            Map<String, String> labels,
            Instant now)
            throws SQLException {
        try (var statement = prepare(
                        """
                        INSERT INTO snapshot (name, parent, kind, image, depth, created, updated)
                        VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id""",
                        name,
                        parent.map(Snapshot::id),
                        kind.code(),
                        claim.map(c -> c.image().toString()),
                        claim.map(Snapshot.Claim::depth),
                        nanos(now),
                        nanos(now));
                var rows = statement.executeQuery()) {
            rows.next();
            long id = rows.getLong(1);
            relabel(id, labels);
            return id;
        }
    }

    private void relabel(long id, Map<String, String> labels) throws SQLException {
        update("DELETE FROM label WHERE snapshot = ?", id);
        for (var label : labels.entrySet()) {
            // As in containerd's own store: a label without a value is one that is not there.
            if (!label.getValue().isEmpty()) {
                update("INSERT INTO label VALUES (?, ?, ?)", id, label.getKey(), label.getValue());
            }
        }
    }

    private Set<Long> selectIds() throws SQLException {
        var ids = new HashSet<Long>();
        try (var statement = prepare("SELECT id FROM snapshot");
                var rows = statement.executeQuery()) {
            while (rows.next()) {
                ids.add(rows.getLong(1));
            }
        }
        return ids;
    }

    private List<Snapshot> select(String which, Object... values) throws SQLException {
        var found = new LinkedHashMap<Long, Snapshot>();
        var labels = new HashMap<Long, Map<String, String>>();
        try (var statement = prepare(SELECT + which, values);
                var rows = statement.executeQuery()) {
            while (rows.next()) {
                long id = rows.getLong("id");
                var own = labels.computeIfAbsent(id, unseen -> new HashMap<>());
                var key = rows.getString("key");
                if (key != null) {
                    own.put(key, rows.getString("value"));
                }
                if (!found.containsKey(id)) {
                    found.put(id, read(rows));
                }
            }
        }
        return found.values().stream()
                .map(snapshot -> snapshot.with(labels.getOrDefault(snapshot.id(), Map.of())))
                .toList();
    }

    private static Snapshot read(ResultSet row) throws SQLException {
        var parent = Optional.ofNullable(row.getString("parent"));
        var image = Optional.ofNullable(row.getString("image"));
        int depth = row.getInt("depth");
        return new Snapshot(
                row.getLong("id"),
                row.getString("name"),
                parent.orElse(""),
                Kind.of(row.getInt("kind")),
                Map.of(),
                instant(row.getLong("created")),
                instant(row.getLong("updated")),
                image.map(digest -> new Snapshot.Claim(Digest.parse(digest), depth)));
    }

    private long count(String query, Object... values) throws SQLException {
        try (var statement = prepare(query, values);
                var rows = statement.executeQuery()) {
            return rows.next() ? rows.getLong(1) : 0;
        }
    }

    private int update(String change, Object... values) throws SQLException {
        try (var statement = prepare(change, values)) {
            return statement.executeUpdate();
        }
    }

    private void run(String statement) throws SQLException {
        try (var plain = connection.createStatement()) {
            plain.execute(statement);
        }
    }

    @SuppressWarnings("MustBeClosedChecker")
    private PreparedStatement prepare(String query, Object... values) throws SQLException {
        var statement = connection.prepareStatement(query);
        for (int i = 0; i < values.length; i++) {
            switch (values[i]) {
                case String text -> statement.setString(i + 1, text);
                case Long number -> statement.setLong(i + 1, number);
                case Integer number -> statement.setInt(i + 1, number);
                case Optional<?> optional when optional.isEmpty() -> statement.setNull(i + 1, Types.NULL);
                case Optional<?> optional -> statement.setObject(i + 1, optional.get());
                default -> throw new IllegalArgumentException("no column takes a " + values[i].getClass());
            }
        }
        return statement;
    }

    /** What runs under the lock. */
    private interface Work<T> {
        T run() throws SQLException, AgentException;
    }

    private <T> T reading(Work<T> work) throws AgentException {
        lock.lock();
        try {
            return work.run();
        } catch (SQLException e) {
            throw failed("read", e);
        } finally {
            lock.unlock();
        }
    }

    private <T> T transaction(String what, Work<T> work) throws AgentException {
        lock.lock();
        try {
            run("BEGIN IMMEDIATE");
            boolean done = false;
            try {
                var result = work.run();
                run("COMMIT");
                done = true;
                return result;
            } finally {
                if (!done) {
                    rollBack();
                }
            }
        } catch (SQLException e) {
            throw failed(what, e);
        } finally {
            lock.unlock();
        }
    }

    /** A failure here is not worth hiding the one that led to it: SQLite rolls back what was never committed anyway. */
    private void rollBack() {
        try {
            run("ROLLBACK");
        } catch (SQLException e) {
            LOG.debug("roll back: {}", e.getMessage());
        }
    }

    private StorageFailed failed(String what, SQLException e) {
        boolean full = e instanceof SQLiteException sqlite && sqlite.getResultCode() == SQLiteErrorCode.SQLITE_FULL;
        return new StorageFailed(file, what + ": " + e.getMessage(), full, e);
    }

    private static long nanos(Instant at) {
        return Math.addExact(Math.multiplyExact(at.getEpochSecond(), NANOS_PER_SECOND), at.getNano());
    }

    private static Instant instant(long nanos) {
        return Instant.ofEpochSecond(Math.floorDiv(nanos, NANOS_PER_SECOND), Math.floorMod(nanos, NANOS_PER_SECOND));
    }
}
