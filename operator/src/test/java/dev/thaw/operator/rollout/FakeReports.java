package dev.thaw.operator.rollout;

import dev.thaw.operator.node.NodeReport;
import dev.thaw.operator.node.NodeReports;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** Reports that a test writes itself. */
final class FakeReports implements NodeReports {
    private final Map<String, NodeReport> reports = new ConcurrentHashMap<>();

    void put(NodeReport report) {
        reports.put(report.node(), report);
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
        // the reconcilers under test look by themselves
    }

    @Override
    public void forget(String node) {
        reports.remove(node);
    }
}
