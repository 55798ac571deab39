package dev.thaw.agent.mount;

import dev.thaw.agent.linux.Errno;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** What requests of the kernel cost. */
final class FuseMetrics {
    /** Requests by what they are; all that are not worth telling apart are {@code OTHER}. */
    enum Call {
        LOOKUP,
        GETATTR,
        READLINK,
        OPEN,
        READ,
        READDIR,
        XATTR,
        OTHER
    }

    private final Map<Call, Timer> times = new EnumMap<>(Call.class);
    private final Counter failures;

    FuseMetrics(MeterRegistry registry, String driver) {
        for (var call : Call.values()) {
            times.put(
                    call,
                    Timer.builder("thaw.fuse")
                            .tag("driver", driver)
                            .tag("call", call.name().toLowerCase(Locale.ROOT))
                            .description("Requests of the kernel to the agent")
                            .register(registry));
        }
        failures = Counter.builder("thaw.fuse.failures")
                .tag("driver", driver)
                .description("Requests that were answered with an input/output error")
                .register(registry);
    }

    void answered(Call call, long nanos, int errno) {
        var timer = times.get(call);
        if (timer != null) {
            timer.record(nanos, TimeUnit.NANOSECONDS);
        }
        if (errno == Errno.EIO) {
            failures.increment();
        }
    }
}
