package dev.thaw.helm;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ChartTest {
    @Test
    void helmFindsNothingToComplainAbout() {
        var result = Chart.lint();
        assertThat(result.isFailed()).as(result.getMessages().toString()).isFalse();
    }

    @Test
    void theDefaultIsAWorkingSystemAndNothingMore() {
        Chart.render()
                .consistOf(
                        "CustomResourceDefinition",
                        "ServiceAccount",
                        "ClusterRole",
                        "ClusterRoleBinding",
                        "Role",
                        "RoleBinding",
                        "ConfigMap",
                        "Service",
                        "Deployment",
                        "MutatingWebhookConfiguration",
                        "Job",
                        "Pod");
    }

    @Test
    void imagesHaveTheVersionOfTheChart() {
        var version = Chart.read("Chart.yaml").get("appVersion").asText();
        var release = Chart.render();
        assertThat(release.operator().get("image").asText()).isEqualTo("ghcr.io/thaw-dev/operator:" + version);
        assertThat(release.variable("THAW_AGENT_IMAGE")).contains("ghcr.io/thaw-dev/node-agent:" + version);
        assertThat(release.variable("THAW_CONVERTER_IMAGE")).contains("ghcr.io/thaw-dev/converter:" + version);
    }

    @Test
    void aDigestGoesBeforeATag() {
        var digest = "sha256:" + "0a".repeat(32);
        var release = Chart.render("operator: {image: {tag: x, digest: '" + digest + "'}}");
        assertThat(release.operator().get("image").asText()).isEqualTo("ghcr.io/thaw-dev/operator@" + digest);
    }

    @Test
    void everyContainerIsLockedDown() {
        var release = Chart.render();
        var pods = List.of(
                release.the("Deployment", "thaw-operator").at("/spec/template/spec"),
                release.the("Job", "thaw-drain").at("/spec/template/spec"),
                release.the("Pod", "thaw-test-readyz").get("spec"));
        for (var pod : pods) {
            assertThat(pod.at("/securityContext/runAsNonRoot").asBoolean()).isTrue();
            assertThat(pod.at("/securityContext/seccompProfile/type").asText()).isEqualTo("RuntimeDefault");
            assertThat(pod.get("enableServiceLinks").asBoolean(true)).isFalse();
            for (var container : pod.get("containers")) {
                var security = container.get("securityContext");
                assertThat(security.get("readOnlyRootFilesystem").asBoolean()).isTrue();
                assertThat(security.get("allowPrivilegeEscalation").asBoolean(true))
                        .isFalse();
                assertThat(words(security.at("/capabilities/drop"))).containsExactly("ALL");
                assertThat(container.has("command")).isFalse();
                assertThat(container.get("volumeMounts").findValuesAsText("mountPath"))
                        .contains("/tmp");
            }
        }
    }

    @Test
    void theOperatorIsToldWhereItIs() {
        var release = Chart.render();
        assertThat(release.variable("THAW_NODE_SERVICE_HOST")).contains("thaw-node-service.thaw-system.svc");
        assertThat(release.variable("THAW_WEBHOOK_SERVICE")).contains("thaw-webhook");
        assertThat(release.variable("THAW_WEBHOOK_CONFIGURATION")).contains("thaw");
        assertThat(release.variable("THAW_AGENT_SERVICE_ACCOUNT")).contains("thaw-agent");
        assertThat(release.variable("THAW_CERTIFICATES")).contains("SelfMade");
        assertThat(release.variable("THAW_WATCH_NAMESPACES")).isEmpty();
        assertThat(release.variable("THAW_REGISTRIES_FILE")).isEmpty();
        for (var service : List.of("thaw-node-service", "thaw-webhook", "thaw-metrics")) {
            assertThat(release.find("Service", service)).as(service).isPresent();
        }
    }

    @Test
    void servicesReachPortsThatTheOperatorOpens() {
        var release = Chart.render();
        var open = words(release.operator().get("ports"), "name");
        var pod = release.the("Deployment", "thaw-operator").at("/spec/template/metadata/labels");
        for (var service : release.all("Service")) {
            for (var port : service.at("/spec/ports")) {
                assertThat(open).contains(port.get("targetPort").asText());
            }
            for (var label : service.at("/spec/selector").properties()) {
                if (!label.getKey().equals("thaw.dev/leader")) {
                    assertThat(pod.get(label.getKey())).isEqualTo(label.getValue());
                }
            }
        }
    }

    @Test
    void onlyTheLeaderServesTheAgents() {
        var selector = Chart.render().the("Service", "thaw-node-service").at("/spec/selector");
        assertThat(selector.get("thaw.dev/leader").asText()).isEqualTo("true");
    }

    @Test
    void theWebhookFailsOpenAndLeavesTheSystemAlone() {
        var webhook = Chart.render().the("MutatingWebhookConfiguration", "thaw").at("/webhooks/0");
        assertThat(webhook.get("failurePolicy").asText()).isEqualTo("Ignore");
        assertThat(webhook.get("timeoutSeconds").asInt()).isEqualTo(5);
        assertThat(webhook.get("sideEffects").asText()).isEqualTo("NoneOnDryRun");
        assertThat(webhook.get("clientConfig").has("caBundle")).isFalse();
        var expression = webhook.at("/namespaceSelector/matchExpressions/0");
        assertThat(expression.get("key").asText()).isEqualTo("kubernetes.io/metadata.name");
        assertThat(expression.get("operator").asText()).isEqualTo("NotIn");
        assertThat(words(expression.get("values"))).containsExactly("kube-system", "thaw-system");
        var rule = webhook.at("/rules/0");
        assertThat(words(rule.get("operations"))).containsExactly("CREATE");
        assertThat(words(rule.get("resources"))).containsExactly("pods");
        assertThat(webhook.at("/matchConditions/0/expression").asText())
                .contains("has(object.metadata.annotations)")
                .contains("object.metadata.annotations['thaw.dev/lazy'] == 'true'");
    }

    @Test
    void theWebhookKeepsToWatchedNamespaces() {
        var expressions = Chart.render(
                        "{operator: {watchNamespaces: [a]}, webhook: {namespaceSelector: [{key: x, operator: Exists}]}}")
                .the("MutatingWebhookConfiguration", "thaw")
                .at("/webhooks/0/namespaceSelector/matchExpressions");
        assertThat(expressions).hasSize(3);
        assertThat(words(expressions.get(1).get("values"))).containsExactly("a");
        assertThat(expressions.get(2).get("key").asText()).isEqualTo("x");
    }

    @Test
    void withoutTheWebhookNothingOfItRemains() {
        var release = Chart.render("webhook: {enabled: false}");
        assertThat(release.all("MutatingWebhookConfiguration")).isEmpty();
        assertThat(release.find("Service", "thaw-webhook")).isEmpty();
        assertThat(release.variable("THAW_WEBHOOK_CONFIGURATION")).isEmpty();
        assertThat(release.text()).doesNotContain("9443").doesNotContain("mutatingwebhookconfigurations");
    }

    @Test
    void certManagerTakesTheOperatorsPlace() {
        var release = Chart.render("certManager: {enabled: true}");
        assertThat(release.variable("THAW_CERTIFICATES")).contains("Mounted");
        assertThat(release.variable("THAW_WEBHOOK_TLS_SECRET")).isEmpty();
        assertThat(release.the("MutatingWebhookConfiguration", "thaw")
                        .at("/metadata/annotations/cert-manager.io~1inject-ca-from")
                        .asText())
                .isEqualTo("thaw-system/thaw-webhook");
        for (var name : List.of("webhook", "node")) {
            var certificate = release.the("Certificate", "thaw-" + (name.equals("node") ? "node-service" : name));
            var secret = certificate.at("/spec/secretName").asText();
            var volumes = release.the("Deployment", "thaw-operator").at("/spec/template/spec/volumes");
            assertThat(volumes.findValuesAsText("secretName")).contains(secret);
            assertThat(certificate.at("/spec/issuerRef/name").asText()).isEqualTo("thaw-ca");
        }
        assertThat(words(release.the("Certificate", "thaw-node-service").at("/spec/dnsNames")))
                .contains(release.variable("THAW_NODE_SERVICE_HOST").orElseThrow());
        assertThat(release.all("Issuer")).hasSize(2);
        assertThat(release.text()).doesNotContain("mutatingwebhookconfigurations");
    }

    @Test
    void anIssuerOfTheSiteIsUsed() {
        var release = Chart.render("certManager: {enabled: true, issuerRef: {name: corp, kind: ClusterIssuer}}");
        assertThat(release.all("Issuer")).isEmpty();
        assertThat(release.all("Certificate"))
                .hasSize(2)
                .allSatisfy(certificate -> assertThat(
                                certificate.at("/spec/issuerRef/name").asText())
                        .isEqualTo("corp"));
    }

    @Test
    void definitionsStayWhenTheChartGoes() {
        assertThat(Chart.render().all("CustomResourceDefinition"))
                .hasSize(2)
                .allSatisfy(crd -> assertThat(crd.at("/metadata/annotations/helm.sh~1resource-policy")
                                .asText())
                        .isEqualTo("keep"));
        assertThat(Chart.render("crds: {keep: false}").all("CustomResourceDefinition"))
                .allSatisfy(crd -> assertThat(crd.at("/metadata/annotations").isMissingNode())
                        .isTrue());
        assertThat(Chart.render("crds: {enabled: false}").all("CustomResourceDefinition"))
                .isEmpty();
    }

    @Test
    void theDefaultConfigurationIsHandedToTheOperator() throws Exception {
        var release =
                Chart.render("snapshotter: {containerd: {runtimeHandlers: [runc, nvidia]}, cache: {maxSize: 1Ti}}");
        var config = Chart.YAML.readTree(release.the("ConfigMap", "thaw-snapshotter")
                .at("/data/config.yaml")
                .asText());
        assertThat(config.get("kind").asText()).isEqualTo("SnapshotterConfig");
        assertThat(config.at("/metadata/name").asText()).isEqualTo("default");
        assertThat(words(config.at("/spec/containerd/runtimeHandlers"))).containsExactly("runc", "nvidia");
        assertThat(config.at("/spec/cache/maxSize").asText()).isEqualTo("1Ti");
        assertThat(config.get("spec").has("image")).isFalse();
        assertThat(config.at("/spec/containerd").has("restart")).isFalse();
        assertThat(config.at("/spec/fetch").has("bandwidth")).isFalse();
        assertThat(config.get("spec").has("create")).isFalse();
        assertThat(release.variable("THAW_DEFAULT_SNAPSHOTTER_CONFIG")).contains("/etc/thaw/snapshotter/config.yaml");
        assertThat(mountPaths(release)).contains("/etc/thaw/snapshotter");

        var without = Chart.render("snapshotter: {create: false}");
        assertThat(without.find("ConfigMap", "thaw-snapshotter")).isEmpty();
        assertThat(without.variable("THAW_DEFAULT_SNAPSHOTTER_CONFIG")).isEmpty();
    }

    @Test
    void aChangedConfigurationRestartsTheOperator() {
        var before = checksum(Chart.render(), "snapshotter");
        assertThat(checksum(Chart.render("snapshotter: {driver: Fuse}"), "snapshotter"))
                .isNotEqualTo(before);
        assertThat(checksum(Chart.render("registries: [{host: a}]"), "registries"))
                .isNotEqualTo(checksum(Chart.render(), "registries"));
    }

    @Test
    void registriesAreHandedToTheOperator() throws Exception {
        var release = Chart.render("registries: [{host: 'registry.local:5000', plainHttp: true}]");
        var entries = Chart.YAML.readTree(release.the("ConfigMap", "thaw-registries")
                .at("/data/registries.yaml")
                .asText());
        assertThat(entries.at("/0/host").asText()).isEqualTo("registry.local:5000");
        assertThat(entries.at("/0/plainHttp").asBoolean()).isTrue();
        assertThat(release.variable("THAW_REGISTRIES_FILE")).contains("/etc/thaw/registries/registries.yaml");
        assertThat(mountPaths(release)).contains("/etc/thaw/registries");
    }

    @Test
    void moreThanOneReplicaHasABudget() {
        assertThat(Chart.render().all("PodDisruptionBudget")).isEmpty();
        assertThat(Chart.render("operator: {replicas: 2}").all("PodDisruptionBudget"))
                .hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ServiceMonitor", "PodMonitor", "PrometheusRule"})
    void monitoringIsInstalledWhenAskedFor(String kind) {
        assertThat(Chart.render().all(kind)).isEmpty();
        var key = kind.substring(0, 1).toLowerCase(Locale.ROOT) + kind.substring(1);
        var release = Chart.render("metrics: {%s: {enabled: true, labels: {release: prom}}}".formatted(key));
        assertThat(release.all(kind))
                .singleElement()
                .satisfies(object -> assertThat(
                                object.at("/metadata/labels/release").asText())
                        .isEqualTo("prom"));
    }

    @Test
    void everyAlertSaysWhatItIsAbout() {
        var rules = Chart.render("metrics: {prometheusRule: {enabled: true, alertLabels: {team: a}}}")
                .all("PrometheusRule")
                .getFirst()
                .at("/spec/groups/0/rules");
        assertThat(rules.size()).isGreaterThan(5);
        for (var rule : rules) {
            assertThat(rule.get("alert").asText()).startsWith("Thaw");
            assertThat(rule.get("expr").asText()).isNotBlank();
            assertThat(rule.at("/labels/severity").asText()).isIn("info", "warning", "critical");
            assertThat(rule.at("/labels/team").asText()).isEqualTo("a");
            assertThat(rule.at("/annotations/summary").asText()).endsWith(".").doesNotContain("{{ \"");
            assertThat(rule.at("/annotations/description").asText()).isNotBlank();
        }
    }

    @Test
    void theDashboardIsJsonWithAPanelForEachQuestion() throws Exception {
        var release = Chart.render("metrics: {dashboard: {enabled: true, annotations: {grafana_folder: Thaw}}}");
        var map = release.the("ConfigMap", "thaw-dashboard");
        assertThat(map.at("/metadata/labels/grafana_dashboard").asText()).isEqualTo("1");
        var dashboard = Chart.YAML.readTree(map.at("/data/thaw.json").asText());
        assertThat(dashboard.get("panels").size()).isGreaterThan(10);
        for (var panel : dashboard.get("panels")) {
            assertThat(panel.at("/targets/0/expr").asText()).contains("thaw_");
            assertThat(panel.get("title").asText()).isNotBlank();
        }
    }

    @Test
    void theNetworkPolicyOpensThePortsInUse() {
        assertThat(Chart.render().all("NetworkPolicy")).isEmpty();
        var policy = Chart.render("networkPolicy: {enabled: true, metricsFrom: [{podSelector: {}}]}")
                .all("NetworkPolicy")
                .getFirst();
        assertThat(policy.at("/spec/ingress").findValuesAsText("port"))
                .containsExactly("webhook", "node-service", "http");
        assertThat(policy.at("/spec/ingress/1/from").size()).isEqualTo(1);
    }

    @Test
    void uninstallingDrainsFirst() {
        var release = Chart.render();
        var job = release.the("Job", "thaw-drain");
        assertThat(job.at("/metadata/annotations/helm.sh~1hook").asText()).isEqualTo("pre-delete");
        assertThat(words(job.at("/spec/template/spec/containers/0/args"))).containsExactly("drain", "--timeout", "4m");
        for (var kind : List.of("ServiceAccount", "ClusterRole", "ClusterRoleBinding")) {
            assertThat(release.the(kind, "thaw-drain")
                            .at("/metadata/annotations/helm.sh~1hook")
                            .asText())
                    .isEqualTo("pre-delete");
        }
        assertThat(Chart.render("drain: {enabled: false}").text()).doesNotContain("thaw-drain");
    }

    @Test
    void helmTestAsksTheOperator() {
        var pod = Chart.render().the("Pod", "thaw-test-readyz");
        assertThat(pod.at("/metadata/annotations/helm.sh~1hook").asText()).isEqualTo("test");
        assertThat(words(pod.at("/spec/containers/0/args")))
                .containsExactly("probe", "http://thaw-metrics.thaw-system.svc:8080/readyz");
    }

    @Test
    void everyNameFitsWhenTheReleaseNameIsLong() {
        var release = Chart.render("fullnameOverride: " + "x".repeat(60));
        for (var object : release.objects()) {
            if (!object.get("kind").asText().equals("CustomResourceDefinition")) {
                assertThat(object.at("/metadata/name").asText()).hasSizeLessThanOrEqualTo(63);
            }
        }
    }

    @Test
    void pullSecretsReachEveryPod() {
        var release = Chart.render("imagePullSecrets: [{name: a}, {name: b}]");
        assertThat(release.variable("THAW_IMAGE_PULL_SECRETS")).contains("a,b");
        assertThat(release.the("Job", "thaw-drain").at("/spec/template/spec/imagePullSecrets"))
                .hasSize(2);
        assertThat(release.the("Deployment", "thaw-operator").at("/spec/template/spec/imagePullSecrets"))
                .hasSize(2);
    }

    private static List<String> mountPaths(Manifests release) {
        return release.operator().get("volumeMounts").findValuesAsText("mountPath");
    }

    private static List<String> words(JsonNode array, String field) {
        return array.findValuesAsText(field);
    }

    private static List<String> words(JsonNode array) {
        return Manifests.words(array);
    }

    private static String checksum(Manifests release, String name) {
        return release.the("Deployment", "thaw-operator")
                .at("/spec/template/metadata/annotations/checksum~1" + name)
                .asText();
    }
}
