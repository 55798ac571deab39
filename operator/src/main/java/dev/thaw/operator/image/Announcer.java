package dev.thaw.operator.image;

import dev.thaw.crds.LazyImage;
import dev.thaw.operator.node.ImageName;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.MicroTime;
import io.fabric8.kubernetes.api.model.ObjectReferenceBuilder;
import io.fabric8.kubernetes.api.model.events.v1.EventBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes what happens as events on the LazyImage. An event that cannot be written is lost, and nothing else with it. */
final class Announcer {
    private static final Logger LOG = LoggerFactory.getLogger(Announcer.class);

    /** The name of the operator in events. */
    private static final String CONTROLLER = "thaw.dev/operator";

    /** Cold starts are many; of an image, one event in that time. */
    private static final Duration COLD_START_PAUSE = Duration.ofMinutes(10);

    /** The longest note that the API takes. */
    private static final int LONGEST_NOTE = 1024;

    private static final DateTimeFormatter MICRO_TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    private final KubernetesClient client;
    private final Clock clock;
    private final String instance;
    private final Map<ImageName, Instant> lastColdStart = new ConcurrentHashMap<>();

    Announcer(KubernetesClient client, Clock clock) {
        this.client = client;
        this.clock = clock;
        this.instance = "operator-" + ProcessHandle.current().pid();
    }

    void announce(LazyImage image, Happening happening) {
        if (happening.reason() == Happening.Kind.COLD_START_MEASURED && !isDue(ImageName.of(image))) {
            return;
        }
        try {
            var event = new EventBuilder()
                    .withNewMetadata()
                    .withGenerateName(image.getMetadata().getName() + "-")
                    .withNamespace(image.getMetadata().getNamespace())
                    .endMetadata()
                    .withEventTime(new MicroTime(MICRO_TIME.format(clock.instant())))
                    .withReportingController(CONTROLLER)
                    .withReportingInstance(instance)
                    .withType(happening.warning() ? "Warning" : "Normal")
                    .withReason(happening.reason().word())
                    .withAction(happening.action())
                    .withNote(cut(happening.note()))
                    .withRegarding(new ObjectReferenceBuilder()
                            .withApiVersion(HasMetadata.getApiVersion(LazyImage.class))
                            .withKind(HasMetadata.getKind(LazyImage.class))
                            .withNamespace(image.getMetadata().getNamespace())
                            .withName(image.getMetadata().getName())
                            .withUid(image.getMetadata().getUid())
                            .build())
                    .build();
            client.events().v1().events().resource(event).create();
        } catch (KubernetesClientException e) {
            LOG.warn("Event {} of {} could not be written", happening.reason(), ImageName.of(image), e);
        }
    }

    void forget(ImageName image) {
        lastColdStart.remove(image);
    }

    private boolean isDue(ImageName image) {
        var now = clock.instant();
        var last = lastColdStart.get(image);
        if (last != null && now.isBefore(last.plus(COLD_START_PAUSE))) {
            return false;
        }
        lastColdStart.put(image, now);
        return true;
    }

    private static String cut(String note) {
        return note.length() <= LONGEST_NOTE ? note : note.substring(0, LONGEST_NOTE - 1) + "…";
    }
}
