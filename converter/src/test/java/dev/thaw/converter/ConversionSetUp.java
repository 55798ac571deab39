package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.Reference;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A registry and a work directory for tests of whole conversions, in which none may leave anything behind. */
abstract class ConversionSetUp {
    static final String REPOSITORY = "team/app";

    @TempDir
    Path work;

    FakeRegistry registry;
    Conversions conversions;
    Reference source;

    @BeforeEach
    void start() {
        registry = FakeRegistry.start();
        conversions = new Conversions(registry, work);
        source = registry.repository(REPOSITORY).withTag("1.0");
    }

    @AfterEach
    void stop() throws Exception {
        conversions.close();
        try (var left = Files.list(work)) {
            assertThat(left).as("files left in the work directory").isEmpty();
        }
        assertThat(registry.openUploads()).as("uploads left in the registry").isZero();
        registry.close();
    }
}
