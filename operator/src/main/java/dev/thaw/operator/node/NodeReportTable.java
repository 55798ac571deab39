package dev.thaw.operator.node;

import java.time.Clock;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;

/** The reports, by node. */
final class NodeReportTable implements NodeReports {
    private final Clock clock;
    private final Map<String, NodeReport> reports = new ConcurrentHashMap<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final ReentrantLock telling = new ReentrantLock();
    private final Set<String> fresh = new HashSet<>();

    NodeReportTable(Clock clock) {
        this.clock = clock;
    }

    @Override
    public Collection<NodeReport> all() {
        return List.copyOf(reports.values());
    }

    @Override
    public Optional<NodeReport> of(String node) {
        return Optional.ofNullable(reports.get(node));
    }

    @Override
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    @Override
    public void forget(String node) {
        if (reports.remove(node) != null) {
            tell();
        }
    }

    void put(NodeReport report) {
        var before = reports.put(report.node(), report);
        if (before == null || !before.saysTheSameAs(report) || !before.isFresh(report.received())) {
            tell();
        }
    }

    /** Tells the listeners if a node has gone silent or come back since the last look; called now and then. */
    void look() {
        telling.lock();
        try {
            if (!fresh.equals(freshNodes())) {
                tell();
            }
        } finally {
            telling.unlock();
        }
    }

    private void tell() {
        telling.lock();
        try {
            fresh.clear();
            fresh.addAll(freshNodes());
            listeners.forEach(Runnable::run);
        } finally {
            telling.unlock();
        }
    }

    private Set<String> freshNodes() {
        var now = clock.instant();
        var nodes = new HashSet<String>();
        for (var report : reports.values()) {
            if (report.isFresh(now)) {
                nodes.add(report.node());
            }
        }
        return nodes;
    }
}
