package dev.thaw.operator.node;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Which nodes are told to hold an image: those that hold it, those that fetch it, and as many new ones as may fetch at the same
 * time, in the order of their names. A node that fails goes on trying, but takes nobody's turn.
 *
 * @param told names of the nodes
 */
record WarmupPlan(Set<String> told, Warmth warmth) {
    /**
     * A node that the selector names and whose agent is there.
     *
     * @param told it was told before
     * @param reached what it says that it holds
     * @param error why it holds no more; empty while it fetches
     */
    record Candidate(String node, boolean told, WarmLevel reached, String error) {}

    static WarmupPlan of(WarmLevel wanted, int parallelism, Collection<Candidate> candidates) {
        var told = new LinkedHashSet<String>();
        var waiting = new ArrayList<String>();
        int warm = 0;
        int fetching = 0;
        int failing = 0;
        var failure = "";
        for (var candidate : inOrder(candidates)) {
            if (candidate.reached.compareTo(wanted) >= 0) {
                warm++;
                told.add(candidate.node);
            } else if (!candidate.told) {
                waiting.add(candidate.node);
            } else if (candidate.error.isEmpty()) {
                fetching++;
                told.add(candidate.node);
            } else {
                failing++;
                failure = failure.isEmpty() ? candidate.node + ": " + candidate.error : failure;
                told.add(candidate.node);
            }
        }
        waiting.stream().limit(Math.max(0, parallelism - fetching)).forEach(told::add);
        return new WarmupPlan(told, new Warmth(wanted, candidates.size(), warm, failing, failure));
    }

    private static List<Candidate> inOrder(Collection<Candidate> candidates) {
        return candidates.stream().sorted(Comparator.comparing(Candidate::node)).toList();
    }
}
