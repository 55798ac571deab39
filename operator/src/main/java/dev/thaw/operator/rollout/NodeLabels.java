package dev.thaw.operator.rollout;

import dev.thaw.crds.Names;
import io.fabric8.kubernetes.api.model.Node;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Thaw's labels of one node. Configurations stand in them by {@link AgentNames#label}.
 *
 * <pre>
 *  owned by x ──▶ agentOf=x ──agent is there──▶ installed=x
 *  owned by nobody, containers read through the agent ──▶ agentOf=x, installed=x stay, not ready
 *  owned by nobody, no such container ──▶ installed=x ──uninstalled──▶ none
 * </pre>
 *
 * @param ready lazy pods may be scheduled there
 * @param agentOf the configuration whose agent and holder stay there
 * @param installed the configuration that containerd was told of
 */
record NodeLabels(boolean ready, Optional<String> agentOf, Optional<String> installed) {
    static NodeLabels of(Node node) {
        var labels = Optional.ofNullable(node.getMetadata().getLabels()).orElse(Map.of());
        return new NodeLabels(
                Names.AGENT_READY.equals(labels.get(Names.AGENT)),
                Optional.ofNullable(labels.get(Names.AGENT_OF)),
                Optional.ofNullable(labels.get(Names.INSTALLED)));
    }

    /**
     * What is known of a node.
     *
     * @param owner the configuration to which it belongs
     * @param serves an agent there is ready and reports
     * @param removing its owner is being deleted
     * @param agents configurations that have an agent's pod there
     * @param inUse containers there read through an agent, or may do so
     * @param uninstalled containerd was given its configuration back
     * @param configs all configurations
     */
    record Sight(
            Optional<String> owner,
            boolean serves,
            boolean removing,
            Set<String> agents,
            boolean inUse,
            boolean uninstalled,
            Set<String> configs) {}

    NodeLabels after(Sight seen) {
        var known = installed.filter(seen.configs::contains);
        if (seen.owner.isPresent()) {
            return new NodeLabels(
                    seen.serves && !seen.removing,
                    seen.owner,
                    seen.owner.filter(seen.agents::contains).or(() -> known));
        }
        var kept = agentOf.filter(seen.configs::contains).filter(config -> seen.inUse);
        return new NodeLabels(false, kept, seen.uninstalled && kept.isEmpty() ? Optional.empty() : known);
    }

    /** A JSON merge patch that makes these labels of others: null takes one away. Empty if they are the same. */
    Optional<String> patch(NodeLabels before) {
        var changes = new LinkedHashMap<String, Optional<String>>();
        if (ready != before.ready) {
            changes.put(Names.AGENT, ready ? Optional.of(Names.AGENT_READY) : Optional.empty());
        }
        if (!Objects.equals(agentOf, before.agentOf)) {
            changes.put(Names.AGENT_OF, agentOf);
        }
        if (!Objects.equals(installed, before.installed)) {
            changes.put(Names.INSTALLED, installed);
        }
        return changes.isEmpty()
                ? Optional.empty()
                : Optional.of(changes.entrySet().stream()
                        .map(change -> "\"%s\":%s"
                                .formatted(
                                        change.getKey(),
                                        change.getValue()
                                                .map(value -> '"' + value + '"')
                                                .orElse("null")))
                        .collect(Collectors.joining(",", "{\"metadata\":{\"labels\":{", "}}}")));
    }
}
