package dev.thaw.helm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Who may do what. */
final class AccessTest {
    private static final Set<String> DANGEROUS = Set.of("impersonate", "escalate", "bind", "approve", "sign");

    private final Manifests release = Chart.render();

    @Test
    void noRoleHasAWildcardOrAWayToMorePower() {
        for (var rule : rules(release)) {
            for (var field : List.of("apiGroups", "resources", "verbs")) {
                assertThat(Manifests.words(rule.get(field))).isNotEmpty().doesNotContain("*");
            }
            assertThat(Manifests.words(rule.get("verbs"))).doesNotContainAnyElementsOf(DANGEROUS);
            assertThat(Manifests.words(rule.get("apiGroups"))).doesNotContain("rbac.authorization.k8s.io");
            assertThat(Manifests.words(rule.get("resources")))
                    .doesNotContain("pods/exec", "pods/attach", "serviceaccounts/token", "nodes/proxy");
        }
    }

    @Test
    void secretsOfOtherNamespacesCanBeReadButNotListed() {
        assertThat(verbs(release.the("ClusterRole", "thaw-images"), "secrets")).containsExactly("get");
        assertThat(verbs(release.the("ClusterRole", "thaw-operator"), "secrets"))
                .isEmpty();
    }

    @Test
    void workloadsAreMadeInTheOwnNamespaceAlone() {
        assertThat(verbs(release.the("ClusterRole", "thaw-operator"), "daemonsets"))
                .isEmpty();
        assertThat(verbs(release.the("ClusterRole", "thaw-operator"), "configmaps"))
                .isEmpty();
        assertThat(release.the("Role", "thaw-operator")
                        .at("/metadata/namespace")
                        .asText())
                .isEqualTo("thaw-system");
        assertThat(verbs(release.the("Role", "thaw-operator"), "daemonsets")).contains("create", "delete");
    }

    @Test
    void onlyTheOwnWebhookConfigurationCanBeChanged() {
        var rule = rulesFor(release.the("ClusterRole", "thaw-operator"), "mutatingwebhookconfigurations")
                .getFirst();
        assertThat(Manifests.words(rule.get("resourceNames"))).containsExactly("thaw");
        assertThat(Manifests.words(rule.get("verbs"))).doesNotContain("create", "delete");
    }

    @Test
    void nothingIsBoundToTheAgents() {
        assertThat(release.find("ServiceAccount", "thaw-agent")).isPresent();
        for (var kind : List.of("RoleBinding", "ClusterRoleBinding")) {
            for (var binding : release.all(kind)) {
                assertThat(binding.get("subjects").findValuesAsText("name"))
                        .containsAnyOf("thaw-operator", "thaw-drain")
                        .doesNotContain("thaw-agent");
            }
        }
    }

    @Test
    void theDrainMayOnlyDeleteConfigurations() {
        var rules = release.the("ClusterRole", "thaw-drain").get("rules");
        assertThat(rules).hasSize(1);
        assertThat(Manifests.words(rules.get(0).get("resources"))).containsExactly("snapshotterconfigs");
        assertThat(Manifests.words(rules.get(0).get("verbs"))).doesNotContain("create", "update", "patch");
    }

    @Test
    void watchedNamespacesNarrowWhatCanBeRead() {
        var narrow = Chart.render("operator: {watchNamespaces: [a, b]}");
        assertThat(narrow.find("ClusterRoleBinding", "thaw-images")).isEmpty();
        assertThat(narrow.all("RoleBinding").stream()
                        .filter(binding -> binding.at("/roleRef/name").asText().equals("thaw-images"))
                        .map(binding -> binding.at("/metadata/namespace").asText()))
                .containsExactlyInAnyOrder("a", "b");
        assertThat(narrow.variable("THAW_WATCH_NAMESPACES")).contains("a,b");
    }

    @Test
    void everyBindingNamesARoleOfTheRelease() {
        for (var kind : List.of("RoleBinding", "ClusterRoleBinding")) {
            for (var binding : release.all(kind)) {
                var role = binding.get("roleRef");
                assertThat(release.find(
                                role.get("kind").asText(), role.get("name").asText()))
                        .isPresent();
            }
        }
    }

    @Test
    void whoeverMayEditANamespaceMayEditItsLazyImages() {
        assertThat(release.the("ClusterRole", "thaw-edit")
                        .at("/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-edit")
                        .asText())
                .isEqualTo("true");
        assertThat(verbs(release.the("ClusterRole", "thaw-view"), "lazyimages"))
                .containsExactlyInAnyOrder("get", "list", "watch");
    }

    private static List<JsonNode> rules(Manifests release) {
        return Stream.of("Role", "ClusterRole")
                .flatMap(kind -> release.all(kind).stream())
                .flatMap(role -> role.get("rules").valueStream())
                .toList();
    }

    private static List<JsonNode> rulesFor(JsonNode role, String resource) {
        return role.get("rules")
                .valueStream()
                .filter(rule -> Manifests.words(rule.get("resources")).contains(resource))
                .toList();
    }

    private static Set<String> verbs(JsonNode role, String resource) {
        var verbs = new TreeSet<String>();
        rulesFor(role, resource).forEach(rule -> verbs.addAll(Manifests.words(rule.get("verbs"))));
        return verbs;
    }
}
