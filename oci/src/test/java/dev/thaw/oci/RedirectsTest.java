package dev.thaw.oci;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import okhttp3.HttpUrl;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RedirectsTest {
    private static final HttpUrl BLOB = HttpUrl.get("https://r.example/v2/a/blobs/sha256:1");

    private final FakeClock clock = new FakeClock();
    private final Redirects redirects = new Redirects(clock);

    /** The clock stands at 2026-01-01T00:00:00Z, 1767225600 seconds after 1970. */
    @ParameterizedTest
    @CsvSource({
        "X-Amz-Date=20260101T000000Z&X-Amz-Expires=600, 580",
        "X-Amz-Date=20251231T235500Z&X-Amz-Expires=600, 280",
        "X-Goog-Date=20260101T000000Z&X-Goog-Expires=300, 280",
        "Expires=1767225900, 280",
        "se=2026-01-01T00%3A05%3A00Z, 280",
        "x=1, 120",
        "Expires=never, 120",
        "X-Amz-Date=yesterday&X-Amz-Expires=600, 120",
        "X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800, 3600",
    })
    void areRememberedUntilShortlyBeforeTheyEnd(String query, int seconds) {
        var target = HttpUrl.get("https://storage.example/x?" + query);
        redirects.remember(BLOB, target);
        clock.pass(Duration.ofSeconds(seconds - 1));
        assertThat(redirects.target(BLOB)).hasValue(target);
        clock.pass(Duration.ofSeconds(1));
        assertThat(redirects.target(BLOB)).isEmpty();
    }

    @Test
    void areNotRememberedWhenTheyHaveEnded() {
        redirects.remember(BLOB, HttpUrl.get("https://storage.example/x?Expires=1767225000"));
        assertThat(redirects.target(BLOB)).isEmpty();
    }

    @Test
    void areForgottenWhenManyOthersCome() {
        var target = HttpUrl.get("https://storage.example/x");
        redirects.remember(BLOB, target);
        for (var i = 0; i < 4_096; i++) {
            redirects.remember(HttpUrl.get("https://r.example/v2/a/blobs/other" + i), target);
        }
        assertThat(redirects.target(BLOB)).isEmpty();
    }
}
