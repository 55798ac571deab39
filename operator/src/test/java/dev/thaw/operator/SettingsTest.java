package dev.thaw.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.operator.certificates.CertificateSettings.Origin;
import dev.thaw.operator.registry.RegistryEntry;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SettingsTest {
    @Test
    void needsLittleAndHasADefaultForTheRest() throws Exception {
        var settings = Settings.of(least());

        assertThat(settings.nodeServicePort()).isEqualTo(9444);
        assertThat(settings.webhookConfiguration()).isEmpty();
        assertThat(settings.lease()).contains("thaw-operator");
        assertThat(settings.certificates()).isInstanceOf(Origin.SelfMade.class);
        assertThat(settings.certificateSettings().webhookNames()).isEmpty();
        assertThat(settings.certificateSettings().nodeNames())
                .containsExactly("node.thaw-system.svc", "node.thaw-system.svc.cluster.local");
        assertThat(settings.watchNamespaces()).isEmpty();
    }

    @Test
    void readsWhatTheChartSets(@TempDir Path folder) throws Exception {
        var registries = Files.writeString(folder.resolve("registries.yaml"), """
                - host: registry.local:5000
                  plainHttp: true
                - host: secure.local
                  ca: |
                    PEM
                """);
        var environment = new HashMap<>(least());
        environment.put("THAW_WEBHOOK_CONFIGURATION", "thaw");
        environment.put("THAW_WEBHOOK_SERVICE", "thaw-webhook");
        environment.put("THAW_WATCH_NAMESPACES", "a, b,");
        environment.put("THAW_CERTIFICATES", "Mounted");
        environment.put("THAW_LEADER_ELECTION", "false");
        environment.put("THAW_IMAGE_PULL_SECRETS", "");
        environment.put("THAW_REGISTRIES_FILE", registries.toString());
        environment.put("KUBERNETES_SERVICE_HOST", "10.0.0.1");

        var settings = Settings.of(environment);

        assertThat(settings.certificates())
                .isEqualTo(new Origin.Mounted(Path.of("/etc/thaw/tls/webhook"), Path.of("/etc/thaw/tls/node")));
        assertThat(settings.watchNamespaces()).containsExactlyInAnyOrder("a", "b");
        assertThat(settings.lease()).isEmpty();
        assertThat(settings.imagePullSecrets()).isEmpty();
        assertThat(settings.certificateSettings().webhookNames()).contains("thaw-webhook.thaw-system.svc");
        assertThat(settings.registries())
                .isEqualTo(List.of(
                        new RegistryEntry("registry.local:5000", true, Optional.empty()),
                        new RegistryEntry("secure.local", false, Optional.of("PEM\n"))));
    }

    @Test
    void namesEveryMistakeAtOnce() {
        var environment = new HashMap<>(least());
        environment.remove("THAW_NAMESPACE");
        environment.put("THAW_HTTP_PORT", "99999");
        environment.put("THAW_AUTO_CREATE", "perhaps");
        environment.put("THAW_WEBHOK_PORT", "9443");

        assertThatThrownBy(() -> Settings.of(environment))
                .isInstanceOf(InvalidSettings.class)
                .hasMessageContaining("THAW_NAMESPACE is not set")
                .hasMessageContaining("THAW_HTTP_PORT is \"99999\"")
                .hasMessageContaining("THAW_AUTO_CREATE is \"perhaps\", which is not one of false, true")
                .hasMessageContaining("THAW_WEBHOK_PORT is not a setting");
    }

    @Test
    void theHelpTextListsEverySetting() {
        var text = new StringWriter();
        var run = Main.commandLine().getSubcommands().get("run").setOut(new PrintWriter(text));

        run.usage(run.getOut());

        for (var setting : Setting.values()) {
            assertThat(text.toString()).contains(setting.name());
        }
    }

    private static Map<String, String> least() {
        return Map.of(
                "THAW_NAMESPACE", "thaw-system",
                "THAW_POD_NAME", "operator-1",
                "THAW_AGENT_IMAGE", "registry.example/agent:1",
                "THAW_CONVERTER_IMAGE", "registry.example/converter:1",
                "THAW_NODE_SERVICE_HOST", "node.thaw-system.svc");
    }
}
