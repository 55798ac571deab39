package dev.thaw.operator.admission;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.crds.LazyImage;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.operator.registry.HttpImageRegistry;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

@EnableKubernetesMockClient(crud = true)
class LazyImageMakerTest {
    KubernetesClient client;
    private final FakeRegistry registry = FakeRegistry.start();
    private Instant now = Instant.parse("2026-01-01T00:00:00Z");
    private final InstantSource clock = () -> now;

    @AfterEach
    void close() {
        registry.close();
    }

    @Test
    void makesAnImageThatManyPodsAskForOnce() {
        var wanted = wanted();
        try (var maker = maker()) {
            for (int i = 0; i < 10; i++) {
                maker.make(wanted);
            }
        }

        assertThat(made()).singleElement().satisfies(made -> {
            assertThat(made.getSpec().image()).isEqualTo(wanted.image());
            assertThat(made.getMetadata().getName()).isEqualTo(wanted.name());
        });
        assertThat(registry.openUploads()).isZero();
    }

    @Test
    void makesNoneThatCouldNotBePublished() {
        registry.wantsTokens("pusher", "secret");
        var wanted = wanted();
        var maker = maker();
        try (maker) {
            maker.make(wanted);
        }

        assertThat(made()).isEmpty();
        assertThat(maker.refusal(wanted))
                .hasValueSatisfying(why -> assertThat(why).contains(registry.host() + "/team/app"));
    }

    @Test
    void publishesWithTheSecretsOfThePod() {
        registry.wantsTokens("pusher", "secret");
        client.resource(new SecretBuilder()
                        .withNewMetadata()
                        .withNamespace("team")
                        .withName("regcred")
                        .endMetadata()
                        .withType("kubernetes.io/dockerconfigjson")
                        .withData(Map.of(
                                ".dockerconfigjson", base64("""
                                {"auths": {"%s": {"auth": "%s"}}}""".formatted(registry.host(), base64("pusher:secret")))))
                        .build())
                .create();
        var wanted = wanted("regcred");
        var maker = maker();
        try (maker) {
            maker.make(wanted);
        }

        assertThat(maker.refusal(wanted)).isEmpty();
        assertThat(made()).hasSize(1);
    }

    @Test
    void asksARegistryThatRefusedAgainAfterAWhile() {
        registry.wantsTokens("pusher", "secret");
        var wanted = wanted();
        var maker = maker();
        try (maker) {
            maker.make(wanted);
        }

        now = now.plus(Duration.ofMinutes(9));
        assertThat(maker.refusal(wanted)).isPresent();
        now = now.plus(Duration.ofMinutes(1));
        assertThat(maker.refusal(wanted)).isEmpty();
    }

    private LazyImageMaker maker() {
        return new LazyImageMaker(client, new HttpImageRegistry(registry.settings()), clock);
    }

    private WantedImage wanted(String... pullSecrets) {
        var image = registry.host() + "/team/app:1";
        var pod = new PodBuilder(PodDecisionTest.pod(image)).editSpec();
        for (var secret : pullSecrets) {
            pod.addNewImagePullSecret(secret);
        }
        return WantedImage.of(
                "team",
                image,
                ImageMatch.parse(image).orElseThrow(),
                pod.endSpec().build());
    }

    private List<LazyImage> made() {
        return client.resources(LazyImage.class).inNamespace("team").list().getItems();
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
