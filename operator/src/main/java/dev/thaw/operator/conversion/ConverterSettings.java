package dev.thaw.operator.conversion;

import io.fabric8.kubernetes.api.model.Quantity;
import java.util.List;
import java.util.Map;

/**
 * What all conversion Jobs have in common; set once for the operator.
 *
 * @param image reference of the converter's image
 * @param imagePullPolicy {@code Always}, {@code IfNotPresent} or {@code Never}
 * @param plainHttpHosts registries ({@code host[:port]}) that speak plain HTTP
 * @param defaultRequests resource requests where {@code spec.converter.resources} is absent
 * @param defaultLimits resource limits where {@code spec.converter.resources} is absent
 * @param workSize limit of the scratch volume, unless the resources name a limit for {@code ephemeral-storage}
 * @param maxRunning Jobs that may run at the same time in the whole cluster
 */
public record ConverterSettings(
        String image,
        String imagePullPolicy,
        List<String> plainHttpHosts,
        Map<String, Quantity> defaultRequests,
        Map<String, Quantity> defaultLimits,
        Quantity workSize,
        int maxRunning) {
    public ConverterSettings {
        plainHttpHosts = List.copyOf(plainHttpHosts);
        defaultRequests = Map.copyOf(defaultRequests);
        defaultLimits = Map.copyOf(defaultLimits);
    }

    /** Half a core and 512 MiB asked for, 2 GiB allowed, 10 GiB of scratch, eight Jobs at a time. */
    public static ConverterSettings of(String image) {
        return new ConverterSettings(
                image,
                "IfNotPresent",
                List.of(),
                Map.of("cpu", new Quantity("500m"), "memory", new Quantity("512Mi")),
                Map.of("memory", new Quantity("2Gi")),
                new Quantity("10Gi"),
                8);
    }

    /** The same for registries that speak plain HTTP. */
    public ConverterSettings withPlainHttpHosts(List<String> hosts) {
        return new ConverterSettings(
                image, imagePullPolicy, hosts, defaultRequests, defaultLimits, workSize, maxRunning);
    }
}
