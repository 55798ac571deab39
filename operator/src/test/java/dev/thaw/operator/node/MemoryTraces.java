package dev.thaw.operator.node;

import dev.thaw.node.v1.ReportTraceRequest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Keeps traces as long as it lives; counts how often it is written to, and takes no more than it is told to. */
final class MemoryTraces implements TraceStore {
    final Map<String, List<ReportTraceRequest>> saved = new HashMap<>();
    int saves;
    int most = Integer.MAX_VALUE;

    @Override
    public List<ReportTraceRequest> load(String artifact) {
        return saved.getOrDefault(artifact, List.of());
    }

    @Override
    public boolean save(String artifact, List<ReportTraceRequest> traces) {
        saves++;
        if (traces.size() > most) {
            return false;
        }
        saved.put(artifact, List.copyOf(traces));
        return true;
    }

    @Override
    public void delete(String artifact) {
        saved.remove(artifact);
    }

    @Override
    public Set<String> artifacts() {
        return Set.copyOf(saved.keySet());
    }
}
