package dev.thaw.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.config.AgentSettings.CredentialsFrom;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AgentSettingsTest {
    @Test
    void anEmptyFileMeansTheDefaults() throws IOException {
        assertThat(parse("# nothing\n")).isEqualTo(AgentSettings.defaults());
    }

    @Test
    void theDocumentedFileIsTheDefaults() throws IOException {
        assertThat(AgentSettings.load(Path.of("../docs/agent.yaml"))).isEqualTo(AgentSettings.defaults());
    }

    @Test
    void readsEveryKey() throws IOException {
        var settings = parse("""
                root: /srv/thaw
                socket: /run/t/agent.sock
                holder: /run/t/holder.sock
                http: {address: 127.0.0.1, port: 9999}
                driver: Fuse
                containerd: {socket: /run/c.sock, configPath: /etc/c.toml, install: Edit, restart: Signal, runtimeHandlers: [runc, nvidia]}
                cache: {path: /srv/cache, maxSize: 20Gi, highWatermark: 0.7, lowWatermark: 0.5, minFree: 1Gi}
                fetch: {parallelism: 4, rangeSize: 2Mi, timeout: 3s, retries: 2, readTimeout: 1m30s, onFailure: Error, bandwidth: 100Mi}
                traces: /srv/traces
                mirrors: [{host: "*", fallback: false, endpoints: [{url: "http://$(NODE_IP):4001", headers: {X-Key: v}, healthPath: /healthz, healthInterval: 5s}]}]
                registries: [{host: "registry.example:5000", plainHttp: true, caFile: /etc/ca.crt}]
                nodeService: {address: "10.0.0.1:9444", serverName: thaw-node.thaw-system.svc, caFile: /ca, tokenFile: /token}
                credentials:
                  - {type: CredentialProvider, config: /etc/kubernetes/credentials.yaml, binDir: /opt/plugins}
                  - {type: LazyImageSecrets}
                  - {type: DockerConfig, path: /etc/thaw/docker.json}
                images: ["registry.example/app:1-thaw"]
                """);
        assertThat(settings.root()).isEqualTo(Path.of("/srv/thaw"));
        assertThat(settings.driver()).isEqualTo(AgentSettings.Driver.Fuse);
        assertThat(settings.containerd().runtimeHandlers()).containsExactly("runc", "nvidia");
        assertThat(settings.cache().maxSize().bytes()).isEqualTo(20L << 30);
        assertThat(settings.fetch().readTimeout().duration()).isEqualTo(Duration.ofSeconds(90));
        assertThat(settings.fetch().bandwidth()).contains(new ByteSize(100 << 20));
        assertThat(settings.traces()).isEqualTo(Path.of("/srv/traces"));
        assertThat(settings.registries().getFirst().plainHttp()).isTrue();
        assertThat(settings.nodeService().orElseThrow().serverName()).contains("thaw-node.thaw-system.svc");
        assertThat(settings.credentials())
                .containsExactly(
                        new CredentialsFrom.CredentialProvider(
                                Path.of("/etc/kubernetes/credentials.yaml"), Path.of("/opt/plugins")),
                        new CredentialsFrom.LazyImageSecrets(),
                        new CredentialsFrom.DockerConfig(Path.of("/etc/thaw/docker.json")));
        assertThat(settings.cache().minFree().bytes()).isEqualTo(1L << 30);
        assertThat(settings.mirrors().getFirst().fallback()).isFalse();
        var endpoint = settings.mirrors().getFirst().endpoints().getFirst();
        assertThat(endpoint.url()).isEqualTo("http://192.0.2.7:4001");
        assertThat(endpoint.headers()).containsExactly(Map.entry("X-Key", "v"));
        assertThat(endpoint.healthInterval().duration()).isEqualTo(Duration.ofSeconds(5));
    }

    @Test
    void aNodesOwnAddressIsThatOfTheNode() throws IOException {
        var yaml = "mirrors: [{host: docker.io, endpoints: [{url: \"http://$(NODE_IP):4001\"}]}]";
        assertThat(AgentSettings.parse(yaml, "agent.yaml", Map.of("NODE_IP", "2001:db8::7"))
                        .mirrors()
                        .getFirst()
                        .endpoints()
                        .getFirst()
                        .url())
                .isEqualTo("http://[2001:db8::7]:4001");
        assertThatThrownBy(() -> AgentSettings.parse(yaml, "agent.yaml", Map.of()))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("NODE_IP");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
                    fetsh: {}                                        | fetsh
                    fetch: {paralelism: 3}                           | fetch.paralelism
                    driver: Quick                                    | driver
                    cache: {lowWatermark: 0.9, highWatermark: 0.5}   | lowWatermark < highWatermark
                    cache: {maxSize: lots}                           | 'lots' is not a size
                    fetch: {timeout: soon}                           | 'soon' is not a duration
                    fetch: {parallelism: 0}                          | fetch.parallelism
                    mirrors: [{endpoints: []}]                       | mirrors.host
                    mirrors: [{host: a, fallback: false}]            | mirrors.fallback
                    mirrors: [{host: a, endpoints: [{}]}]            | mirrors.endpoints.url
                    credentials: [{}]                                | credentials.type
                    credentials: [{type: DockerConfig}]              | credentials.path
                    nodeService: {}                                  | nodeService.address
                    """)
    void namesTheKeyThatIsWrong(String yaml, String message) {
        assertThatThrownBy(() -> parse(yaml)).isInstanceOf(IOException.class).hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource({"1000,1000", "1k,1000", "1Ki,1024", "3Mi,3145728", "2G,2000000000", "1Ti,1099511627776"})
    void readsSizes(String text, long bytes) {
        assertThat(ByteSize.parse(text).bytes()).isEqualTo(bytes);
    }

    @ParameterizedTest
    @CsvSource({"90s,90000", "1h30m,5400000", "250ms,250", "2m5s,125000"})
    void readsDurations(String text, long millis) {
        assertThat(Span.parse(text).duration()).isEqualTo(Duration.ofMillis(millis));
    }

    private static AgentSettings parse(String yaml) throws IOException {
        return AgentSettings.parse(yaml, "agent.yaml", Map.of("NODE_IP", "192.0.2.7"));
    }
}
