package dev.thaw.agent.mount;

import dev.thaw.agent.AgentException;
import dev.thaw.agent.AgentException.MountFailed;
import dev.thaw.agent.config.AgentSettings.Driver;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the driver that works on this node. */
final class DriverChoice {
    private static final Logger LOG = LoggerFactory.getLogger(DriverChoice.class);

    private DriverChoice() {}

    static MountDriver make(Driver choice, Path root, Path holder, MeterRegistry registry) throws AgentException {
        var driver = switch (choice) {
            case Erofs -> erofs(root, holder, registry, "the configuration says so");
            case Fuse -> FuseDriver.start(root.resolve("mounts"), registry, "the configuration says so");
            case Auto -> auto(root, holder, registry);
        };
        announce(driver.name(), driver.reason(), registry);
        return driver;
    }

    /** Says it in the log and in the metrics; the operator hears of it from the node's reports. */
    static void announce(String driver, String reason, MeterRegistry registry) {
        LOG.info("mounting with driver {}: {}", driver, reason);
        Gauge.builder("thaw.driver", () -> 1)
                .tag("driver", driver)
                .tag("reason", reason)
                .description("Always 1; the labels say how images are mounted on this node, and why so")
                .register(registry);
    }

    private static MountDriver auto(Path root, Path holder, MeterRegistry registry) throws AgentException {
        try {
            return erofs(root, holder, registry, "the kernel mounts EROFS over devices that the agent serves");
        } catch (MountFailed e) {
            LOG.warn("driver erofs does not work here: {}", e.getMessage());
            return FuseDriver.start(
                    root.resolve("mounts"), registry, "driver erofs does not work here: " + e.getMessage());
        }
    }

    private static MountDriver erofs(Path root, Path holder, MeterRegistry registry, String reason) throws MountFailed {
        var driver = ErofsDriver.start(ErofsSettings.under(root, holder), registry, reason);
        if (!driver.isTakenOver()) {
            try {
                ErofsProbe.run(driver, root);
            } catch (MountFailed e) {
                driver.destroy();
                throw e;
            }
        }
        return driver;
    }
}
