package dev.thaw.operator.admission;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionRequest;
import io.fabric8.kubernetes.api.model.admission.v1.AdmissionResponse;
import io.javaoperatorsdk.webhook.admission.AdmissionRequestHandler;
import io.javaoperatorsdk.webhook.admission.AdmissionUtils;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers admission requests for pods. Never refuses one: whatever goes wrong here, the pod stays as it was written. */
final class PodAdmission implements AdmissionRequestHandler {
    private static final Logger LOG = LoggerFactory.getLogger(PodAdmission.class);

    /** Longest warning that the API server passes on whole (it cuts at 256 characters, RFC 7234 warnings). */
    private static final int LONGEST_WARNING = 250;

    private static final String CREATE = "CREATE";

    /** What became of a pod; the values of the metric's label. */
    enum Outcome {
        LAZY,
        WAITING,
        LEFT_ALONE,
        UNTOUCHED,
        ERROR;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final ClusterFacts cluster;
    private final AdmissionSettings settings;
    private final Consumer<WantedImage> maker;
    private final Map<Outcome, Counter> counters = new EnumMap<>(Outcome.class);

    PodAdmission(
            ClusterFacts cluster, AdmissionSettings settings, Consumer<WantedImage> maker, MeterRegistry registry) {
        this.cluster = cluster;
        this.settings = settings;
        this.maker = maker;
        for (var outcome : Outcome.values()) {
            counters.put(
                    outcome,
                    Counter.builder("thaw.admission.pods")
                            .tag("outcome", outcome.label())
                            .description("Pods that the webhook was asked about, by what became of them")
                            .register(registry));
        }
    }

    @Override
    public AdmissionResponse handle(AdmissionRequest request) {
        try {
            if (!(request.getObject() instanceof Pod pod) || !CREATE.equals(request.getOperation())) {
                return allowed(Outcome.UNTOUCHED);
            }
            var decision = PodDecision.of(pod, request.getNamespace(), cluster, settings);
            if (!Boolean.TRUE.equals(request.getDryRun())) {
                decision.wanted().forEach(maker);
            }
            return answer(pod, decision);
        } catch (RuntimeException e) {
            return failed(request.getUid(), e);
        }
    }

    /** What is answered when the pod could not be looked at. */
    AdmissionResponse failed(String uid, Throwable cause) {
        LOG.error("Admission request {} was answered with the pod as it is", uid, cause);
        var response = allowed(Outcome.ERROR);
        response.setWarnings(List.of("thaw: the pod is left as it is: the webhook failed; see the operator's log"));
        response.setAuditAnnotations(Map.of("outcome", Outcome.ERROR.label()));
        return response;
    }

    private AdmissionResponse answer(Pod before, PodDecision decision) {
        return switch (decision) {
            case PodDecision.Untouched _ -> allowed(Outcome.UNTOUCHED);
            case PodDecision.LeftAlone left -> {
                var response = allowed(Outcome.LEFT_ALONE);
                tell(response, Outcome.LEFT_ALONE, "the pod is left as it is: ", left.why(), Map.of());
                yield response;
            }
            case PodDecision.Lazy lazy -> {
                var outcome = lazy.waiting().isEmpty() ? Outcome.LAZY : Outcome.WAITING;
                counted(outcome);
                var response = AdmissionUtils.admissionResponseFromMutation(before, lazy.pod());
                tell(response, outcome, "", lazy.why(), lazy.swapped());
                yield response;
            }
        };
    }

    private static void tell(
            AdmissionResponse response,
            Outcome outcome,
            String opening,
            List<String> why,
            Map<String, String> swapped) {
        Map<String, String> audit = new LinkedHashMap<>();
        audit.put("outcome", outcome.label());
        swapped.forEach((container, image) -> audit.put("lazy-image." + container, image));
        if (!why.isEmpty()) {
            var sentence = opening + PodDecision.sentence(why);
            audit.put("reason", sentence);
            response.setWarnings(List.of(cut("thaw: " + sentence)));
        }
        response.setAuditAnnotations(audit);
    }

    private static String cut(String text) {
        return text.length() <= LONGEST_WARNING ? text : text.substring(0, LONGEST_WARNING) + "…";
    }

    private AdmissionResponse allowed(Outcome outcome) {
        counted(outcome);
        return AdmissionUtils.allowedAdmissionResponse();
    }

    private void counted(Outcome outcome) {
        var counter = counters.get(outcome);
        if (counter != null) {
            counter.increment();
        }
    }
}
