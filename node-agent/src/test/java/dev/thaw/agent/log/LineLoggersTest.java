package dev.thaw.agent.log;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.slf4j.event.Level;

final class LineLoggersTest {
    private final List<String> lines = new ArrayList<>();

    @Test
    void writesALineOfTextWithTimeLevelAndClass() {
        var line = LineForm.TEXT.line(1_769_860_805_007L, Level.WARN, "dev.thaw.agent.Agent", "said", null);

        assertThat(line).isEqualTo("2026-01-31T12:00:05.007Z WARN  Agent - said\n");
    }

    @Test
    void putsArgumentsIntoTheMessage() {
        loggers(Map.of()).getLogger("a.B").info("{} of {} and {}", 1, 2, 3);

        assertThat(lines).singleElement().asString().endsWith(" INFO  B - 1 of 2 and 3\n");
    }

    @Test
    void writesTheTraceOfWhatWasThrownBelow() {
        loggers(Map.of()).getLogger("a.B").error("failed for {}", "x", new IllegalStateException("broken"));

        assertThat(lines)
                .singleElement()
                .asString()
                .contains("ERROR B - failed for x\njava.lang.IllegalStateException: broken\n\tat ");
    }

    @Test
    void writesAnObjectALineWhereJsonIsAskedFor() throws Exception {
        loggers(Map.of("THAW_LOG_FORMAT", "json"))
                .getLogger("a.B")
                .warn("said \"{}\"\nand more", "this", new IllegalStateException("broken"));

        assertThat(lines).singleElement().asString().endsWith("}\n").containsOnlyOnce("\n");
        var line = JsonMapper.builder().build().readTree(lines.getFirst());
        assertThat(line.get("@timestamp").asText()).matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z");
        assertThat(line.get("level").asText()).isEqualTo("WARN");
        assertThat(line.get("logger_name").asText()).isEqualTo("a.B");
        assertThat(line.get("thread_name").asText())
                .isEqualTo(Thread.currentThread().getName());
        assertThat(line.get("message").asText()).isEqualTo("said \"this\"\nand more");
        assertThat(line.get("stack_trace").asText()).startsWith("java.lang.IllegalStateException: broken\n");
    }

    @Test
    void leavesOutWhatIsBelowItsLevel() {
        var loggers = loggers(Map.of("THAW_LOG_LEVEL", "warn"));

        loggers.getLogger("a.B").info("not this");
        loggers.getLogger("io.netty.bootstrap.Bootstrap").warn("nor this");
        loggers.getLogger("a.B").warn("but this");

        assertThat(lines).singleElement().asString().contains("but this");
    }

    @Test
    void takesInfoForALevelThatThereIsNot() {
        loggers(Map.of("THAW_LOG_LEVEL", "loud")).getLogger("a.B").debug("not this");
        loggers(Map.of("THAW_LOG_LEVEL", "loud")).getLogger("a.B").info("this");

        assertThat(lines).singleElement().asString().contains("this");
    }

    private LineLoggers loggers(Map<String, String> environment) {
        return LineLoggers.of(environment, lines::add);
    }
}
