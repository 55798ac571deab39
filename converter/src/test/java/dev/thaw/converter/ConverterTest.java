package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.Platform;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConverterTest {
    private static final String REPOSITORY = "team/app";

    @TempDir
    private Path work;

    private final FakeRegistry registry = FakeRegistry.start();

    @AfterEach
    void close() {
        registry.close();
    }

    @Test
    void convertsAnImageOfManyKindsOfFilesAndVerifiesIt() throws Exception {
        var source = SourceFixture.addImage(
                registry, REPOSITORY, "1.0", SourceFixture.sampleLayers(new Platform("linux", "amd64")));
        try (var conversions = new Conversions(registry, work)) {
            var result = conversions.run(registry.repository(REPOSITORY).withTag("1.0"));

            assertThat(result.isVerified()).isTrue();
            assertThat(result.verifiedEntries()).isEqualTo(20);
            assertThat(result.sourceDigest()).isEqualTo(source.digest().toString());
            assertThat(result.tag()).isEqualTo("1.0-thaw");
        }
    }
}
