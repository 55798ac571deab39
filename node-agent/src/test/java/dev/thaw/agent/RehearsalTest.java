package dev.thaw.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.mount.NoMounts;
import dev.thaw.agent.rehearsal.FetchRehearsal;
import dev.thaw.agent.rehearsal.Rehearsal;
import dev.thaw.agent.rehearsal.Stage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RehearsalTest {
    @TempDir
    Path folder;

    @Test
    void rehearsesAllButMountsWhereNothingCanBeMounted() throws Exception {
        var started = new AtomicInteger();
        new Rehearsal(folder, settings -> {
                    started.incrementAndGet();
                    return Agent.start(settings, metrics -> new NoMounts(settings.root(), "this is a test"));
                })
                .run();

        assertThat(started).hasValue(2);
        // The images were claimed by both agents and released by the second one.
        assertThat(folder.resolve("root/images")).isEmptyDirectory();
        assertThat(Files.size(folder.resolve("root/records.db"))).isPositive();
    }

    @Test
    void anAgentFetchesAndForgetsImagesOfItsOwnToWarmUp() throws Exception {
        try (var stage = Stage.at(folder.resolve("warm-up"))) {
            FetchRehearsal.run(stage.folder());

            assertThat(stage.folder().resolve("images")).isNotEmptyDirectory();
        }

        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void failsWhereTheAgentDoes() throws Exception {
        var rehearsal = new Rehearsal(folder, settings -> {
            throw new IOException("there is no agent today");
        });

        assertThatThrownBy(rehearsal::run).hasMessage("there is no agent today");
    }
}
