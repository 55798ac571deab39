package dev.thaw.agent.config;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
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
                cache: {path: /srv/cache, maxSize: 20Gi, highWatermark: 0.7, lowWatermark: 0.5}
                fetch: {parallelism: 4, rangeSize: 2Mi, timeout: 3s, retries: 2, readTimeout: 1m30s, onFailure: Error, bandwidth: 100Mi}
                mirrors: [{host: docker.io, endpoints: ["https://mirror.example"]}]
                registries: [{host: "registry.example:5000", plainHttp: true, caFile: /etc/ca.crt}]
                nodeService: {address: "10.0.0.1:9444", serverName: thaw-node.thaw-system.svc, caFile: /ca, tokenFile: /token}
                credentials: {dockerConfig: /etc/thaw/docker.json}
                images: ["registry.example/app:1-thaw"]
                """);
        assertThat(settings.root()).isEqualTo(Path.of("/srv/thaw"));
        assertThat(settings.driver()).isEqualTo(AgentSettings.Driver.Fuse);
        assertThat(settings.containerd().runtimeHandlers()).containsExactly("runc", "nvidia");
        assertThat(settings.cache().maxSize().bytes()).isEqualTo(20L << 30);
        assertThat(settings.fetch().readTimeout().duration()).isEqualTo(Duration.ofSeconds(90));
        assertThat(settings.fetch().bandwidth()).contains(new ByteSize(100 << 20));
        assertThat(settings.registries().getFirst().plainHttp()).isTrue();
        assertThat(settings.nodeService().orElseThrow().serverName()).contains("thaw-node.thaw-system.svc");
        assertThat(settings.credentials().dockerConfig()).contains(Path.of("/etc/thaw/docker.json"));
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
        return AgentSettings.parse(yaml.getBytes(UTF_8), "agent.yaml");
    }
}
