package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.report.Phase;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.converter.tar.TarFile;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TimeZone;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same source and options give the same digests: not the machine, its settings nor the order of events matter. */
class DeterminismTest {
    private static final String REPOSITORY = "team/app";

    @TempDir
    private Path work;

    private final Locale locale = Locale.getDefault();
    private final TimeZone zone = TimeZone.getDefault();
    private FakeRegistry registry;
    private Conversions conversions;
    private Reference source;

    @BeforeEach
    void addImageOfManyLayers() {
        registry = FakeRegistry.start();
        conversions = new Conversions(registry, work);
        source = registry.repository(REPOSITORY).withTag("1.0");
        var layers = new ArrayList<>(SourceFixture.sampleLayers(new Platform("linux", "amd64")));
        for (int i = 0; i < 6; i++) {
            var tar = new TarFile();
            for (int f = 0; f < 30; f++) {
                // Half of the chunks are in other layers and files too: which copy comes first must not matter.
                tar.file("layer-%d/file-%d".formatted(i, f), SourceFixture.noise(f % 2 == 0 ? f : 100 * i + f, 9000));
            }
            layers.add(SourceFixture.gzip(tar.bytes()));
        }
        SourceFixture.addImage(registry, REPOSITORY, "1.0", layers);
    }

    @AfterEach
    void restoreDefaults() {
        Locale.setDefault(locale);
        TimeZone.setDefault(zone);
        conversions.close();
        registry.close();
    }

    /** In Turkish "I" has another lower case, in the other two digits are not ours. */
    @ParameterizedTest
    @CsvSource({"1,tr-TR,Asia/Tokyo", "2,ar-EG-u-nu-arab,America/St_Johns", "8,fa-IR-u-nu-arabext,Pacific/Apia"})
    void workersTimingLocaleAndZoneDoNotMatter(int workers, String language, String timeZone) throws Exception {
        var expected = convert(1, "reference", Progress.silent());
        Locale.setDefault(Locale.forLanguageTag(language));
        TimeZone.setDefault(TimeZone.getTimeZone(timeZone));

        assertThat(convert(workers, "other", new Stumbling())).isEqualTo(expected);
    }

    private String convert(int workers, String tag, Progress progress) throws Exception {
        var request = new ConversionRequest(
                source,
                source.withTag(tag),
                List.of(),
                Conversions.SMALL_CHUNKS,
                Mode.Convert,
                false,
                true,
                workers,
                work.resolve(tag));
        var result = conversions.run(request, new StopSignal(), progress);
        assertThat(result.platforms().getFirst().reusedLayers()).isZero();
        return result.lazyDigest();
    }

    /** Holds every thread up for a moment whenever it has read something, so that they overtake each other. */
    private static final class Stumbling implements Progress {
        @Override
        public void begin(Phase phase, long bytesTotal) {}

        @Override
        public void advance(long bytes) {
            LockSupport.parkNanos(ThreadLocalRandom.current().nextInt(2_000_000));
        }

        @Override
        public void say(String sentence) {}
    }
}
