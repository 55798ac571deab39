package dev.thaw.agent.registry;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.thaw.oci.ImagePattern;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Kubelet's {@code CredentialProviderConfig} (kubelet.config.k8s.io), as far as running its plugins needs it.
 *
 * @param problems of providers that are left out, a sentence each
 */
record CredentialProviderConfig(List<Provider> providers, List<String> problems) {
    static final CredentialProviderConfig NONE = new CredentialProviderConfig(List.of(), List.of());
    private static final ObjectMapper MAPPER = YAMLMapper.builder().build();

    CredentialProviderConfig {
        providers = List.copyOf(providers);
        problems = List.copyOf(problems);
    }

    /**
     * One plugin.
     *
     * @param name of the program in the folder of plugins
     * @param apiVersion of request and answer
     * @param defaultCacheDuration for an answer that does not say how long it holds
     */
    record Provider(
            String name,
            List<ImagePattern> matchImages,
            Duration defaultCacheDuration,
            String apiVersion,
            List<String> args,
            Map<String, String> env) {
        boolean matches(String registryHost, String repository) {
            return matchImages.stream().anyMatch(pattern -> pattern.matches(registryHost, repository));
        }
    }

    static CredentialProviderConfig parse(byte[] yaml) throws IOException {
        try {
            return MAPPER.readValue(yaml, Form.class).config();
        } catch (JacksonException e) {
            // The location's source would be the file's text.
            throw new IOException("it is no CredentialProviderConfig: " + e.getOriginalMessage(), e);
        } catch (IllegalArgumentException e) {
            throw new IOException(String.valueOf(e.getMessage()), e);
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record Form(@Nullable String kind, @Nullable List<ProviderForm> providers) {
        CredentialProviderConfig config() {
            if (!"CredentialProviderConfig".equals(kind)) {
                throw new IllegalArgumentException("its kind is %s, not CredentialProviderConfig".formatted(kind));
            }
            var usable = new ArrayList<Provider>();
            var problems = new ArrayList<String>();
            for (var form : Optional.ofNullable(providers).orElse(List.of())) {
                var provider = form.provider();
                // Such a plugin wants a token of the pod's own service account, which only kubelet can ask for.
                if (form.tokenAttributes == null) {
                    usable.add(provider);
                } else {
                    problems.add(
                            "credential provider %s wants service account tokens of pods, which only kubelet has; it is not asked"
                                    .formatted(provider.name));
                }
            }
            return new CredentialProviderConfig(usable, problems);
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record ProviderForm(
            @Nullable String name,
            @Nullable List<String> matchImages,
            @Nullable String defaultCacheDuration,
            @Nullable String apiVersion,
            @Nullable List<String> args,
            @Nullable List<Variable> env,
            @Nullable Object tokenAttributes) {
        Provider provider() {
            // Kubelet refuses such names too: they lead out of the folder.
            if (name == null || name.isBlank() || name.contains("/") || name.equals(".") || name.equals("..")) {
                throw new IllegalArgumentException(
                        "a provider is named %s, which is no name of a file".formatted(name));
            }
            if (apiVersion == null || !apiVersion.startsWith(CredentialProvider.API_GROUP)) {
                throw new IllegalArgumentException("provider %s has the apiVersion %s, which is not of %s"
                        .formatted(name, apiVersion, CredentialProvider.API_GROUP));
            }
            var variables = new java.util.LinkedHashMap<String, String>();
            Optional.ofNullable(env)
                    .orElse(List.of())
                    .forEach(variable -> variables.put(
                            variable.name, Optional.ofNullable(variable.value).orElse("")));
            return new Provider(
                    name,
                    Optional.ofNullable(matchImages).orElse(List.of()).stream()
                            .map(ImagePattern::parse)
                            .toList(),
                    GoDuration.parse(Optional.ofNullable(defaultCacheDuration).orElse("0s")),
                    apiVersion,
                    List.copyOf(Optional.ofNullable(args).orElse(List.of())),
                    Map.copyOf(variables));
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record Variable(String name, @Nullable String value) {}
}
