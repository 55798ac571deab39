package dev.thaw.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Converts two versions of an image that somebody chose, the second with the first as its dictionary, and prints what the status
 * of the second says of what they share. Real versions are large, so it runs only when it is asked for:
 *
 * <pre>
 *   THAW_E2E_VERSIONS="HOST:PORT/NAME:OLD HOST:PORT/NAME:NEW" e2e/run VersionsE2E
 * </pre>
 *
 * in a registry that the cluster's pods reach without TLS.
 */
class VersionsE2E {
    private static final String VERSIONS = "THAW_E2E_VERSIONS";
    private static final String TESTS = "thaw-versions";
    private static final Duration LONGEST_CONVERSION = Duration.ofMinutes(30);

    @TempDir
    Path temp;

    private Surroundings surroundings;
    private Cluster cluster;

    @BeforeEach
    void install() throws IOException {
        assumeTrue(System.getenv(VERSIONS) != null, VERSIONS + " names no images");
        surroundings = Surroundings.fromEnvironment();
        cluster = new Cluster(surroundings.kubeconfig());
        cluster.namespace(TESTS);
        Installation.install(surroundings, Reference.parse(versions()[0]).registry(), temp);
    }

    @AfterEach
    void uninstall() {
        if (cluster != null) {
            cluster.client().namespaces().withName(TESTS).delete();
            Cluster.await(
                    "the images to go",
                    Duration.ofMinutes(3),
                    () -> cluster.client().namespaces().withName(TESTS).get() == null,
                    gone -> gone);
            Installation.uninstall(surroundings);
            cluster.client().namespaces().withName(Installation.NAMESPACE).delete();
            cluster.close();
        }
    }

    private static String[] versions() {
        return System.getenv(VERSIONS).split(" ");
    }

    @Test
    void theNewVersionUploadsOnlyWhatChanged() {
        convert("old", versions()[0], "");
        convert("new", versions()[1], "chunkDictRef: {name: old}");

        var image = cluster.lazyImage(TESTS, "new");
        System.out.println("status.artifact of " + versions()[1] + ": " + image.get("status", "artifact"));
        var shared = Long.parseLong(LazyStartE2E.text(image, "status", "artifact", "sharedBytes"));
        assertThat(shared).isPositive();
        assertThat(LazyStartE2E.text(image, "status", "artifact", "sharedRatio"))
                .matches("[1-9][0-9]?%|100%");
    }

    private void convert(String name, String image, String more) {
        cluster.apply("""
                apiVersion: thaw.dev/v1alpha1
                kind: LazyImage
                metadata: {name: %s, namespace: %s}
                spec:
                  image: %s
                  mode: Convert
                  %s
                """.formatted(name, TESTS, image, more));
        Cluster.await(
                "the LazyImage " + name + " to be Ready",
                LONGEST_CONVERSION,
                () -> LazyStartE2E.condition(cluster.lazyImage(TESTS, name), "Ready"),
                "True"::equals);
    }
}
