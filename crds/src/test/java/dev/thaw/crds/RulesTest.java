package dev.thaw.crds;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import dev.cel.bundle.Cel;
import dev.cel.bundle.CelFactory;
import dev.cel.common.CelValidationException;
import dev.cel.common.types.SimpleType;
import dev.cel.extensions.CelExtensions;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The rules between fields, evaluated as the API server does: after defaulting, each on the object it stands at. */
final class RulesTest {
    private static final Cel CEL = CelFactory.standardCelBuilder()
            .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
            .addCompilerLibraries(CelExtensions.strings())
            .addRuntimeLibraries(CelExtensions.strings())
            .addVar("self", SimpleType.DYN)
            .build();

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
            {image: 'r.example/a:1'}
            {image: 'r.example/a:1', target: {tag: '2'}}
            {image: 'r.example/a:1', target: {repository: r.example/b, tag: '1'}}
            {image: 'r.example/a:1', target: {repository: r.example/b}}
            {image: 'r.example/a:1', resolve: {interval: 10s}}
            {image: 'r.example/a:1', resolve: {interval: 1h30m}}
            {image: 'r.example/a:1', prefetch: {paths: [/usr/bin/python3]}}
            {image: 'r.example/a:1', prefetch: {policy: Paths, paths: [/usr/bin/python3]}}
            {image: 'r.example/a:1', prefetch: {policy: 'Off'}}
            {image: 'r.example/a:1', slo: {ready: 30s}}
            """)
    void acceptsTheLazyImage(String spec) throws Exception {
        assertThat(broken("lazyimages", spec)).isEmpty();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
            {image: 'r.example/a:1', target: {tag: '1'}}                                    | names the source itself
            {image: 'r.example/a:1', target: {repository: r.example/a, tag: '1'}}           | names the source itself
            {image: 'r.example/a:1@sha256:00', target: {tag: '1'}}                          | names the source itself
            {image: 'r.example/a:1', resolve: {interval: 9s}}                               | at least 10s
            {image: 'r.example/a:1', prefetch: {policy: 'Off', paths: [/bin/sh]}}           | paths are only read
            {image: 'r.example/a:1', prefetch: {policy: Paths}}                             | at least one path
            {image: 'r.example/a:1', prefetch: {policy: Paths, paths: []}}                  | at least one path
            {image: 'r.example/a:1', slo: {}}                                               | name an objective
            """)
    void refusesTheLazyImage(String spec, String message) throws Exception {
        assertThat(broken("lazyimages", spec)).singleElement().asString().contains(message);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
            {}
            {containerd: {install: None}}
            {containerd: {install: None, restart: None}}
            {containerd: {restart: Signal, runtimeHandlers: [runc, nvidia]}}
            {cache: {lowWatermark: 50, highWatermark: 60}}
            {fetch: {timeout: 5m}}
            {updateStrategy: {maxUnavailable: 3}}
            {updateStrategy: {maxUnavailable: 100%}}
            {credentials: [{type: LazyImageSecrets}, {type: DockerConfig, dockerConfig: {path: /a}}]}
            {credentials: [{type: CredentialProvider, credentialProvider: {config: /a, binDir: /b}}]}
            """)
    void acceptsTheSnapshotterConfig(String spec) throws Exception {
        assertThat(broken("snapshotterconfigs", spec)).isEmpty();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
            {containerd: {install: None, restart: Systemd}}                                 | nothing to restart
            {containerd: {runtimeHandlers: [runc, nvidia-lazy]}}                            | not the twins
            {cache: {lowWatermark: 90}}                                                     | below highWatermark
            {fetch: {timeout: 301s}}                                                        | must not exceed readTimeout
            {updateStrategy: {maxUnavailable: 0}}                                           | above zero
            {updateStrategy: {maxUnavailable: 0%}}                                          | above zero
            {updateStrategy: {maxUnavailable: 101%}}                                        | above zero
            {credentials: [{type: LazyImageSecrets, dockerConfig: {path: /a}}]}             | only with it
            {credentials: [{type: CredentialProvider}]}                                     | only with it
            """)
    void refusesTheSnapshotterConfig(String spec, String message) throws Exception {
        assertThat(broken("snapshotterconfigs", spec))
                .singleElement()
                .asString()
                .contains(message);
    }

    private static List<String> broken(String plural, String spec) throws Exception {
        var schema = Definitions.spec(plural);
        var value = Definitions.YAML.readTree(spec);
        Definitions.applyDefaults(value, schema);
        var messages = new ArrayList<String>();
        check(value, schema, messages);
        return messages;
    }

    private static void check(JsonNode value, JsonNode schema, List<String> messages)
            throws CelValidationException, CelEvaluationException, IOException {
        for (var rule : schema.path("x-kubernetes-validations")) {
            var program =
                    CEL.createProgram(CEL.compile(rule.get("rule").asText()).getAst());
            if (!program.eval(Map.of("self", plain(value))).equals(true)) {
                messages.add(rule.get("message").asText());
            }
        }
        for (var property : value.properties()) {
            check(property.getValue(), schema.path("properties").path(property.getKey()), messages);
        }
        if (value.isArray()) {
            for (var item : value) {
                check(item, schema.path("items"), messages);
            }
        }
    }

    /** Maps, lists, strings and longs: CEL knows no shorter integers. */
    private static Map<String, Object> plain(JsonNode object) throws IOException {
        return Definitions.YAML
                .readerFor(new TypeReference<Map<String, Object>>() {})
                .with(DeserializationFeature.USE_LONG_FOR_INTS)
                .readValue(object);
    }
}
