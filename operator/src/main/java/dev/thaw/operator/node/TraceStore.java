package dev.thaw.operator.node;

import dev.thaw.node.v1.ReportTraceRequest;
import java.util.List;
import java.util.Set;

/** Where traces outlive the operator. */
interface TraceStore {
    /** What was saved last for that artifact; nothing where nothing was, or where it is damaged. */
    List<ReportTraceRequest> load(String artifact);

    /** Saves all traces of an artifact. @return false where they are too large together; then what was saved before stays */
    boolean save(String artifact, List<ReportTraceRequest> traces);

    void delete(String artifact);

    /** The artifacts that something is saved for. */
    Set<String> artifacts();
}
