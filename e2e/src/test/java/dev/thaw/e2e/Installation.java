package dev.thaw.e2e;

import com.marcnuri.helm.Helm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Thaw on the cluster, as a person with helm puts it there. */
final class Installation {
    static final String NAMESPACE = "thaw-system";
    private static final String RELEASE = "thaw";
    private static final int TIMEOUT_SECONDS = 180;

    private Installation() {}

    /**
     * Installs the chart and waits until all of it is ready.
     *
     * @param plainRegistry host and port of a registry that is spoken to without TLS
     * @param folder gets the chart's values
     */
    static void install(Surroundings surroundings, String plainRegistry, Path folder) throws IOException {
        var values = Files.writeString(folder.resolve("values.yaml"), """
                operator: {image: {repository: %1$s/operator, tag: "%2$s"}}
                agent: {image: {repository: %1$s/node-agent, tag: "%2$s"}}
                converter: {image: {repository: %1$s/converter, tag: "%2$s"}}
                registries: [{host: "%3$s", plainHttp: true}]
                snapshotter:
                  containerd: {restart: %4$s}
                """.formatted(
                        surroundings.imagePrefix(), surroundings.imageTag(), plainRegistry, surroundings.restart()));
        new Helm(surroundings.chart())
                .install()
                .withName(RELEASE)
                .withNamespace(NAMESPACE)
                .createNamespace()
                .withValuesFile(values)
                .withKubeConfig(surroundings.kubeconfig())
                .waitReady()
                .withTimeout(TIMEOUT_SECONDS)
                .call();
    }

    static void uninstall(Surroundings surroundings) {
        Helm.uninstall(RELEASE)
                .withNamespace(NAMESPACE)
                .withKubeConfig(surroundings.kubeconfig())
                .call();
    }
}
