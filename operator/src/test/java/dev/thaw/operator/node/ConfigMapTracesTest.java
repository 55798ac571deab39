package dev.thaw.operator.node;

import static dev.thaw.operator.node.SampleTraces.report;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.node.v1.ReportTraceRequest;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.ServiceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

@EnableKubernetesMockClient(crud = true)
class ConfigMapTracesTest {
    private static final String NAMESPACE = "thaw-system";
    private static final String ARTIFACT = LazyImages.digest('b');
    private static final String NAME = "thaw-trace-" + "b".repeat(64);

    KubernetesClient client;
    private ConfigMapTraces store;

    @BeforeEach
    void start() {
        store = new ConfigMapTraces(client, NAMESPACE, "thaw-node-service");
    }

    @Test
    void givesBackWhatWasSaved() {
        assertThat(store.load(ARTIFACT)).isEmpty();
        assertThat(store.save(ARTIFACT, List.of(report("a", 3, 1, 2)))).isTrue();
        assertThat(store.save(ARTIFACT, List.of(report("a", 3, 1, 2), report("b", 4))))
                .isTrue();
        assertThat(store.load(ARTIFACT)).containsExactly(report("a", 3, 1, 2), report("b", 4));
        assertThat(store.artifacts()).containsExactly(ARTIFACT);
    }

    @Test
    void deletesWhatIsNotNeeded() {
        store.save(ARTIFACT, List.of(report("a", 1)));
        store.delete(ARTIFACT);
        store.delete(ARTIFACT);
        assertThat(store.artifacts()).isEmpty();
        assertThat(store.load(ARTIFACT)).isEmpty();
    }

    @Test
    void goesWithTheService() {
        client.resource(new ServiceBuilder()
                        .withNewMetadata()
                        .withNamespace(NAMESPACE)
                        .withName("thaw-node-service")
                        .endMetadata()
                        .build())
                .create();
        store.save(ARTIFACT, List.of(report("a", 1)));
        assertThat(client.configMaps()
                        .inNamespace(NAMESPACE)
                        .withName(NAME)
                        .get()
                        .getMetadata()
                        .getOwnerReferences())
                .extracting(OwnerReference::getKind, OwnerReference::getName)
                .containsExactly(org.assertj.core.groups.Tuple.tuple("Service", "thaw-node-service"));
    }

    @Test
    void looksAtNoOtherConfigMap() {
        client.resource(new ConfigMapBuilder()
                        .withNewMetadata()
                        .withNamespace(NAMESPACE)
                        .withName("other")
                        .endMetadata()
                        .build())
                .create();
        assertThat(store.artifacts()).isEmpty();
    }

    @Test
    void beginsAnewWhereWhatWasSavedIsDamaged() {
        client.resource(new ConfigMapBuilder()
                        .withNewMetadata()
                        .withNamespace(NAMESPACE)
                        .withName(NAME)
                        .endMetadata()
                        .addToBinaryData(
                                "traces.pb.gz", Base64.getEncoder().encodeToString(new byte[] {31, -117, 8, 0, 1}))
                        .build())
                .create();
        assertThat(store.load(ARTIFACT)).isEmpty();
        assertThat(store.save(ARTIFACT, List.of(report("a", 1)))).isTrue();
        assertThat(store.load(ARTIFACT)).hasSize(1);
    }

    /** The longest traces that agents send, in an order that no compression helps. */
    @Test
    void refusesWhatAConfigMapCannotHold() {
        var random = new SplittableRandom(1);
        var starts = new ArrayList<ReportTraceRequest>();
        for (int i = 0; i < Traces.ENOUGH; i++) {
            var report =
                    report("c" + i, IntStream.range(0, MergedTrace.MOST_CHUNKS).toArray()).toBuilder();
            var trace = report.getTraceBuilder();
            trace.clearAfterMillis().clearStoredBytes();
            for (int chunk = 0; chunk < MergedTrace.MOST_CHUNKS; chunk++) {
                trace.addAfterMillis(random.nextInt(1 << 20)).addStoredBytes(random.nextInt(1 << 20));
            }
            starts.add(report.build());
        }
        assertThat(store.save(ARTIFACT, starts)).isFalse();
        assertThat(store.save(ARTIFACT, starts.subList(0, 1))).isTrue();
        var saved = client.configMaps().inNamespace(NAMESPACE).withName(NAME).get();
        assertThat(Base64.getDecoder().decode(saved.getBinaryData().get("traces.pb.gz")))
                .hasSizeLessThan(1 << 20);
    }
}
