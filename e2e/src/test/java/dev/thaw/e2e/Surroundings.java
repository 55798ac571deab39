package dev.thaw.e2e;

import java.nio.file.Path;

/**
 * What {@code e2e/run} prepared.
 *
 * @param kubeconfig of a cluster whose nodes have the images below, and whose containerd reads {@code
 *     /etc/containerd/certs.d}
 * @param chart the folder of the chart
 * @param imagePrefix of the operator's, agent's and converter's images
 * @param imageTag of them
 * @param registryImage an image of docker-registry
 * @param toolsImage an image with busybox
 * @param pythonLayout an OCI image layout, as {@code e2e/images/python} makes it
 * @param restart how containerd is restarted on the nodes, as in {@code containerd.restart}
 */
record Surroundings(
        Path kubeconfig,
        Path chart,
        String imagePrefix,
        String imageTag,
        String registryImage,
        String toolsImage,
        Path pythonLayout,
        String restart) {

    static Surroundings fromEnvironment() {
        return new Surroundings(
                Path.of(need("KUBECONFIG")),
                Path.of(need("THAW_E2E_CHART")),
                need("THAW_E2E_IMAGE_PREFIX"),
                need("THAW_E2E_IMAGE_TAG"),
                need("THAW_E2E_REGISTRY_IMAGE"),
                need("THAW_E2E_TOOLS_IMAGE"),
                Path.of(need("THAW_E2E_PYTHON_LAYOUT")),
                need("THAW_E2E_RESTART"));
    }

    private static String need(String name) {
        var value = System.getenv(name);
        if (value == null || value.isBlank()) {
            throw new IllegalStateException(name + " is not set: run the end-to-end tests by e2e/run");
        }
        return value;
    }
}
