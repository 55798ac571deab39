package dev.thaw.operator.node;

import java.util.Collection;
import java.util.Optional;

/**
 * The last report of each node's agent. Kept in memory only: agents report at least once a minute, so a restarted
 * operator knows all of them again within {@link NodeReport#FRESH}.
 */
public interface NodeReports {
    /** The last report of every node, also of those whose agent has gone silent: see {@link NodeReport#isFresh}. */
    Collection<NodeReport> all();

    /** The last report of the agent on that node. */
    Optional<NodeReport> of(String node);

    /**
     * Calls back after a report differs from the node's previous one in more than its time, and when a node has gone
     * silent or has come back. The call comes from one thread at a time and must not block.
     */
    void onChange(Runnable listener);

    /** Forgets a node that has left the cluster. */
    void forget(String node);
}
