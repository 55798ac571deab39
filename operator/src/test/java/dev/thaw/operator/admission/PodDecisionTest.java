package dev.thaw.operator.admission;

import static dev.thaw.operator.admission.FakeCluster.DIGEST;
import static dev.thaw.operator.admission.FakeCluster.SOURCE_DIGEST;
import static dev.thaw.operator.admission.FakeCluster.fresh;
import static dev.thaw.operator.admission.FakeCluster.lazyReference;
import static dev.thaw.operator.admission.FakeCluster.notReady;
import static dev.thaw.operator.admission.FakeCluster.ready;
import static dev.thaw.operator.admission.FakeCluster.runtimeClass;
import static dev.thaw.operator.admission.FakeCluster.withOverhead;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.thaw.crds.Reason;
import io.fabric8.kubernetes.api.model.NodeSelectorRequirement;
import io.fabric8.kubernetes.api.model.NodeSelectorTerm;
import io.fabric8.kubernetes.api.model.NodeSelectorTermBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodSchedulingGate;
import io.fabric8.kubernetes.api.model.Quantity;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class PodDecisionTest {
    private static final AdmissionSettings SETTINGS = new AdmissionSettings(0, "thaw-system", Set.of(), false);
    private static final NodeSelectorRequirement AGENT =
            new NodeSelectorRequirement("thaw.dev/agent", "In", List.of("ready"));

    private final FakeCluster cluster = FakeCluster.usual();

    @Test
    void aPodWithAReadyImageBecomesLazy() {
        cluster.with(ready("app", "registry.example/team/app:1"));

        var lazy = lazy(pod("registry.example/team/app:1"));

        var container = lazy.pod().getSpec().getContainers().getFirst();
        assertThat(container.getImage()).isEqualTo("registry.example/lazy/app@" + DIGEST);
        assertThat(container.getImagePullPolicy()).isEqualTo("Always");
        assertThat(lazy.pod().getMetadata().getAnnotations())
                .containsEntry("thaw.dev/original-image.main", "registry.example/team/app:1")
                .containsEntry("io.containerd.cri.runtime-handler", "runc-lazy");
        assertThat(lazy.pod().getSpec().getRuntimeClassName()).isEqualTo("runc-lazy");
        assertThat(terms(lazy.pod()))
                .containsExactly(new NodeSelectorTermBuilder()
                        .addToMatchExpressions(AGENT)
                        .build());
        assertThat(LazyPod.isGated(lazy.pod())).isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "nginx, docker.io/library/nginx:latest, true",
        "nginx:latest, index.docker.io/library/nginx, true",
        "docker.io/team/app:1, team/app:1, true",
        "registry.example/team/app:1, registry.example/team/app:2, false",
        "registry.example/team/app:1, other.example/team/app:1, false",
        "registry.example:5000/team/app:1, registry.example:5000/team/app:1, true",
    })
    void imagesAreTheSameByWhatTheyMeanAndNotByHowTheyAreWritten(String source, String wanted, boolean same) {
        cluster.with(ready("app", source));

        assertThat(decide(pod(wanted)) instanceof PodDecision.Lazy).isEqualTo(same);
    }

    @Test
    void aPodThatNamesADigestGetsTheImageConvertedFromThatDigest() {
        cluster.with(ready("app", "registry.example/team/app:1"));

        assertThat(decide(pod("registry.example/team/app:other@" + SOURCE_DIGEST)))
                .isInstanceOf(PodDecision.Lazy.class);
        assertThat(decide(pod("registry.example/team/app:1@" + DIGEST))).isInstanceOf(PodDecision.LeftAlone.class);
    }

    static Stream<Arguments> untouched() {
        var asks = pod("registry.example/team/app:1");
        return Stream.of(
                arguments("no annotation", annotated(asks, Map.of()), "team"),
                arguments("annotation says no", annotated(asks, Map.of("thaw.dev/lazy", "false")), "team"),
                arguments("kube-system", asks, "kube-system"),
                arguments("the operator's namespace", asks, "thaw-system"),
                arguments(
                        "mirror pod",
                        annotated(asks, Map.of("thaw.dev/lazy", "true", "kubernetes.io/config.mirror", "x")),
                        "team"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("untouched")
    void leavesAlonePodsThatAreNoneOfItsBusiness(String name, Pod pod, String namespace) {
        cluster.with(ready("app", "registry.example/team/app:1"));

        assertThat(PodDecision.of(pod, namespace, cluster, SETTINGS)).isEqualTo(new PodDecision.Untouched());
    }

    static Stream<Arguments> doubts() {
        var pod = pod("registry.example/team/app:1");
        var ready = ready("app", "registry.example/team/app:1");
        var outdated = ready("app", "registry.example/team/app:1");
        outdated.getMetadata().setGeneration(2L);
        return Stream.of(
                arguments("no agent", FakeCluster.usual().with(ready).withoutAgents(), pod, "no node takes lazy pods"),
                arguments("no twin", new FakeCluster().with(ready), pod, "there is no RuntimeClass runc-lazy"),
                arguments("no image", FakeCluster.usual(), pod, "no LazyImage of this namespace converts"),
                arguments(
                        "under way",
                        FakeCluster.usual().with(notReady("app", "registry.example/team/app:1", Reason.CONVERTING)),
                        pod,
                        "LazyImage app is not ready yet"),
                arguments(
                        "failed",
                        FakeCluster.usual()
                                .with(notReady("app", "registry.example/team/app:1", Reason.VERIFICATION_FAILED)),
                        waiting(pod),
                        "differs from the source"),
                arguments("status of an earlier spec", FakeCluster.usual().with(outdated), pod, "is not ready yet"),
                arguments(
                        "unknown class",
                        FakeCluster.usual().with(ready),
                        withClass(pod, "kata"),
                        "its RuntimeClass kata does not exist"),
                arguments(
                        "class without twin",
                        FakeCluster.usual().with(ready).with(runtimeClass("gpu", "nvidia")),
                        withClass(pod, "gpu"),
                        "there is no RuntimeClass nvidia-lazy"),
                arguments(
                        "bound to another node",
                        FakeCluster.usual().with(ready),
                        new PodBuilder(pod)
                                .editSpec()
                                .withNodeName("node-9")
                                .endSpec()
                                .build(),
                        "bound to node node-9"),
                arguments(
                        "user namespace",
                        FakeCluster.usual().with(ready),
                        new PodBuilder(pod)
                                .editSpec()
                                .withHostUsers(false)
                                .endSpec()
                                .build(),
                        "hostUsers: false"),
                arguments(
                        "named image is missing",
                        FakeCluster.usual().with(ready),
                        annotated(pod, Map.of("thaw.dev/lazy", "true", "thaw.dev/lazy-image.main", "nobody")),
                        "there is no LazyImage nobody in namespace team"),
                arguments("no reference", FakeCluster.usual().with(ready), pod("UPPER case"), "is not a reference"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("doubts")
    void anyDoubtLeavesThePodAsItIsAndSaysWhy(String name, FakeCluster cluster, Pod pod, String why) {
        var decision = PodDecision.of(pod, "team", cluster, SETTINGS);

        assertThat(decision)
                .isInstanceOfSatisfying(
                        PodDecision.LeftAlone.class,
                        left -> assertThat(PodDecision.sentence(left.why())).contains(why));
    }

    @Test
    void theHandlerOfThePodsOwnClassDecidesOnTheTwin() {
        cluster.with(ready("app", "registry.example/team/app:1"))
                .with(runtimeClass("gpu", "nvidia"))
                .with(runtimeClass("nvidia-lazy", "nvidia-lazy"));

        var lazy = lazy(withClass(pod("registry.example/team/app:1"), "gpu"));

        assertThat(lazy.pod().getSpec().getRuntimeClassName()).isEqualTo("nvidia-lazy");
        assertThat(lazy.pod().getMetadata().getAnnotations())
                .containsEntry("io.containerd.cri.runtime-handler", "nvidia-lazy");
    }

    @Test
    void theOverheadFollowsTheClassBecauseTheApiServerComparesThem() {
        cluster.with(ready("app", "registry.example/team/app:1")).with(withOverhead(runtimeClass("sandbox", "runc")));
        var before = new PodBuilder(withClass(pod("registry.example/team/app:1"), "sandbox"))
                .editSpec()
                .addToOverhead("memory", new Quantity("100Mi"))
                .endSpec()
                .build();

        assertThat(lazy(before).pod().getSpec().getOverhead()).isNullOrEmpty();
    }

    @Test
    void theAgentIsRequiredInEveryAlternative() {
        cluster.with(ready("app", "registry.example/team/app:1"));
        var zone = new NodeSelectorRequirement("zone", "In", List.of("a"));
        var name = new NodeSelectorRequirement("metadata.name", "In", List.of("n"));
        var before = new PodBuilder(pod("registry.example/team/app:1"))
                .editSpec()
                .withNewAffinity()
                .withNewNodeAffinity()
                .withNewRequiredDuringSchedulingIgnoredDuringExecution()
                .addToNodeSelectorTerms(
                        new NodeSelectorTermBuilder()
                                .addToMatchExpressions(zone)
                                .build(),
                        new NodeSelectorTermBuilder().addToMatchFields(name).build(),
                        new NodeSelectorTerm())
                .endRequiredDuringSchedulingIgnoredDuringExecution()
                .endNodeAffinity()
                .withNewPodAntiAffinity()
                .endPodAntiAffinity()
                .endAffinity()
                .endSpec()
                .build();

        var after = lazy(before).pod();

        assertThat(terms(after))
                .containsExactly(
                        new NodeSelectorTermBuilder()
                                .addToMatchExpressions(zone, AGENT)
                                .build(),
                        new NodeSelectorTermBuilder()
                                .addToMatchFields(name)
                                .addToMatchExpressions(AGENT)
                                .build(),
                        new NodeSelectorTerm());
        assertThat(after.getSpec().getAffinity().getPodAntiAffinity()).isNotNull();
    }

    @Test
    void containersWithoutALazyImageStayOrdinaryBesideThoseWithOne() {
        cluster.with(ready("app", "registry.example/team/app:1"));
        var before = new PodBuilder(pod("registry.example/team/app:1"))
                .editSpec()
                .addNewContainer()
                .withName("sidecar")
                .withImage("proxy:2")
                .endContainer()
                .addNewInitContainer()
                .withName("init")
                .withImage("registry.example/team/app:1")
                .endInitContainer()
                .endSpec()
                .build();

        var lazy = lazy(before);

        assertThat(lazy.swapped()).containsOnlyKeys("init", "main");
        assertThat(lazy.pod().getSpec().getContainers().get(1).getImage()).isEqualTo("proxy:2");
        assertThat(lazy.why()).singleElement().asString().contains("sidecar");
        assertThat(before.getSpec().getContainers().getFirst().getImage())
                .as("the pod handed in stays as it was")
                .isEqualTo("registry.example/team/app:1");
    }

    @Test
    void anAnnotationNamesTheLazyImageOfAContainer() {
        cluster.with(ready("other", "registry.example/team/other:9"));
        var pod = annotated(
                pod("registry.example/team/app:1"),
                Map.of("thaw.dev/lazy", "true", "thaw.dev/lazy-image.main", "other"));

        assertThat(lazy(pod).swapped()).containsEntry("main", lazyReference("other"));
    }

    @Test
    void aPodMayWaitForAConversionThatIsUnderWay() {
        cluster.with(fresh("app", "registry.example/team/app:1"));

        var lazy = lazy(waiting(pod("registry.example/team/app:1")));

        assertThat(lazy.waiting()).isEqualTo(Map.of("main", "app"));
        assertThat(lazy.pod().getSpec().getSchedulingGates()).containsExactly(new PodSchedulingGate("thaw.dev/wait"));
        assertThat(lazy.pod().getMetadata().getLabels()).containsEntry("thaw.dev/waiting", "true");
        assertThat(lazy.pod().getMetadata().getAnnotations()).containsEntry("thaw.dev/lazy-image.main", "app");
        assertThat(lazy.pod().getSpec().getRuntimeClassName()).isEqualTo("runc-lazy");
        assertThat(lazy.pod().getSpec().getContainers().getFirst().getImage()).isEqualTo("registry.example/team/app:1");
    }

    @Test
    void anImageIsMadeWhereTheNamespaceAllowsIt() {
        cluster.makesImagesIn("team");
        var pod = new PodBuilder(pod("registry.example/team/App_x/my.app:1.4"))
                .editSpec()
                .addNewImagePullSecret("regcred")
                .endSpec()
                .build();
        pod.getSpec().getContainers().getFirst().setImage("registry.example/team/my.app:1.4");

        var decision = decide(pod);

        assertThat(decision).isInstanceOf(PodDecision.LeftAlone.class);
        assertThat(decision.wanted()).singleElement().satisfies(wanted -> {
            assertThat(wanted.name()).matches("my-app-1-4-[0-9a-f]{8}");
            assertThat(wanted.toLazyImage().getSpec().pullSecrets())
                    .extracting(secret -> secret.name())
                    .containsExactly("regcred");
            assertThat(lazy(waiting(pod)).waiting()).isEqualTo(Map.of("main", wanted.name()));
        });
        assertThat(decide(pod("registry.example/team/my.app:1.4-thaw")).wanted())
                .isEmpty();
    }

    @Test
    void aPodNeitherAsksNorWaitsForAnImageThatIsNotMade() {
        cluster.makesImagesIn("team").refusing("the registry forbids it");
        var pod = pod("registry.example/public/sidecar:1");

        assertThat(decide(pod)).isEqualTo(decide(waiting(pod)));
        assertThat(decide(pod)).isInstanceOfSatisfying(PodDecision.LeftAlone.class, left -> {
            assertThat(left.missing()).isEmpty();
            assertThat(left.why())
                    .singleElement()
                    .asString()
                    .contains("registry.example/public/sidecar:1", "the registry forbids it");
        });
    }

    @Test
    void decidingAgainOnTheOutcomeChangesNothing() {
        cluster.makesImagesIn("team")
                .with(ready("app", "registry.example/team/app:1"))
                .with(fresh("slow", "registry.example/team/slow:1"));
        var before = new PodBuilder(waiting(pod("registry.example/team/app:1")))
                .editSpec()
                .addNewContainer()
                .withName("slow")
                .withImage("registry.example/team/slow:1")
                .endContainer()
                .addNewContainer()
                .withName("unknown")
                .withImage("registry.example/team/unknown:1")
                .endContainer()
                .endSpec()
                .build();

        var once = lazy(before).pod();
        var twice = lazy(once).pod();

        assertThat(twice).isEqualTo(once);
    }

    @Test
    void aPodThatWaitedGetsItsImagesAndLosesItsGate() {
        cluster.with(fresh("app", "registry.example/team/app:1"));
        var gated = lazy(waiting(pod("registry.example/team/app:1"))).pod();
        gated.getSpec()
                .setSchedulingGates(
                        List.of(new PodSchedulingGate("other.example/gate"), new PodSchedulingGate("thaw.dev/wait")));

        var released = WaitingPodReconciler.released(gated, Map.of("main", lazyReference("app")));

        assertThat(released.getSpec().getContainers().getFirst().getImage()).isEqualTo(lazyReference("app"));
        assertThat(released.getMetadata().getAnnotations())
                .containsEntry("thaw.dev/original-image.main", "registry.example/team/app:1");
        assertThat(released.getSpec().getSchedulingGates())
                .containsExactly(new PodSchedulingGate("other.example/gate"));
        assertThat(released.getMetadata().getLabels()).doesNotContainKey("thaw.dev/waiting");
        assertThat(WaitingPodReconciler.released(gated, Map.of())
                        .getSpec()
                        .getContainers()
                        .getFirst()
                        .getImage())
                .isEqualTo("registry.example/team/app:1");
    }

    private PodDecision decide(Pod pod) {
        return PodDecision.of(pod, "team", cluster, SETTINGS);
    }

    private PodDecision.Lazy lazy(Pod pod) {
        var decision = decide(pod);
        assertThat(decision).isInstanceOf(PodDecision.Lazy.class);
        return (PodDecision.Lazy) decision;
    }

    static Pod pod(String image) {
        return new PodBuilder()
                .withNewMetadata()
                .withGenerateName("app-")
                .addToAnnotations("thaw.dev/lazy", "true")
                .endMetadata()
                .withNewSpec()
                .addNewContainer()
                .withName("main")
                .withImage(image)
                .withImagePullPolicy("Always")
                .endContainer()
                .endSpec()
                .build();
    }

    static Pod waiting(Pod pod) {
        return annotated(pod, Map.of("thaw.dev/lazy", "true", "thaw.dev/wait", "true"));
    }

    private static Pod annotated(Pod pod, Map<String, String> annotations) {
        return new PodBuilder(pod)
                .editMetadata()
                .withAnnotations(annotations)
                .endMetadata()
                .build();
    }

    private static Pod withClass(Pod pod, String runtimeClass) {
        return new PodBuilder(pod)
                .editSpec()
                .withRuntimeClassName(runtimeClass)
                .endSpec()
                .build();
    }

    private static List<NodeSelectorTerm> terms(Pod pod) {
        return pod.getSpec()
                .getAffinity()
                .getNodeAffinity()
                .getRequiredDuringSchedulingIgnoredDuringExecution()
                .getNodeSelectorTerms();
    }
}
