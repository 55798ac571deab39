package dev.thaw.agent.mount;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import org.junit.jupiter.api.Test;

class DriverChoiceTest {
    @Test
    void theMetricsSayWhichDriverMountsAndWhy() {
        var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

        DriverChoice.announce("fuse", "driver erofs does not work here: no \"erofs\" in /proc/filesystems", registry);

        assertThat(registry.scrape())
                .contains("thaw_driver{driver=\"fuse\",reason=\"driver erofs does not work here: no \\\"erofs\\\" in"
                        + " /proc/filesystems\"} 1");
    }
}
