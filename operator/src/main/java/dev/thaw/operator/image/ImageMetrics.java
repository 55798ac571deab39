package dev.thaw.operator.image;

import dev.thaw.crds.ConditionType;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.Reason;
import dev.thaw.operator.conversion.ConversionResult;
import dev.thaw.operator.node.ImageName;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Lazy images and their conversions. Label values are reasons of the closed list. */
final class ImageMetrics {
    private static final String ENDED = "thaw.conversions";

    private final Map<ImageName, Boolean> images = new ConcurrentHashMap<>();
    private final Map<Reason, Counter> ended = new EnumMap<>(Reason.class);
    private final Counter started;
    private final Timer duration;
    private final Counter bytesRead;
    private final Counter bytesPushed;

    ImageMetrics(MeterRegistry registry) {
        for (boolean ready : new boolean[] {true, false}) {
            Gauge.builder(
                            "thaw.images",
                            () -> images.values().stream()
                                    .filter(is -> is == ready)
                                    .count())
                    .tag("ready", Boolean.toString(ready))
                    .description("Lazy images, by whether pods can be given one")
                    .register(registry);
        }
        for (var reason : Reason.values()) {
            ended.put(
                    reason,
                    Counter.builder(ENDED)
                            .tag("result", reason.word())
                            .description("Conversions that have ended: Converted, or the reason why not")
                            .register(registry));
        }
        started = Counter.builder("thaw.conversions.started")
                .description("Conversion Jobs made")
                .register(registry);
        duration = Timer.builder("thaw.conversion.duration")
                .description("Time of a conversion that succeeded, as the converter measured it")
                .publishPercentileHistogram()
                .register(registry);
        bytesRead = bytes("read", registry);
        bytesPushed = bytes("pushed", registry);
    }

    void started() {
        started.increment();
    }

    void succeeded(ConversionResult.Published result) {
        count(Reason.CONVERTED);
        duration.record(result.took());
        bytesRead.increment(result.bytesRead());
        bytesPushed.increment(result.bytesPushed());
    }

    void failed(Reason reason) {
        count(reason);
    }

    void seen(ImageName image, LazyImageStatus status) {
        images.put(
                image,
                status.condition(ConditionType.READY)
                        .filter(condition -> condition.holds())
                        .isPresent());
    }

    void forget(ImageName image) {
        images.remove(image);
    }

    private void count(Reason reason) {
        var counter = ended.get(reason);
        if (counter != null) {
            counter.increment();
        }
    }

    private static Counter bytes(String direction, MeterRegistry registry) {
        return Counter.builder("thaw.conversion.bytes")
                .tag("direction", direction)
                .baseUnit("bytes")
                .description("Bytes that conversions moved from and to registries")
                .register(registry);
    }
}
