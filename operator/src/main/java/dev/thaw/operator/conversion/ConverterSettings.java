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
 * @param certificates PEM text of authorities that are trusted beside the system's; empty for none
 * @param defaultRequests resource requests where {@code spec.converter.resources} is absent
 * @param defaultLimits resource limits where {@code spec.converter.resources} is absent
 * @param workSize limit of the scratch volume, unless the resources name a limit for {@code ephemeral-storage}
 * @param maxRunning Jobs that may run at the same time in the whole cluster
 */
public record ConverterSettings(
        String image,
        String imagePullPolicy,
        List<String> plainHttpHosts,
        String certificates,
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
                "",
                Map.of("cpu", new Quantity("500m"), "memory", new Quantity("512Mi")),
                Map.of("memory", new Quantity("2Gi")),
                new Quantity("10Gi"),
                8);
    }

    /** The same with another pull policy. */
    public ConverterSettings withImagePullPolicy(String policy) {
        return new ConverterSettings(
                image, policy, plainHttpHosts, certificates, defaultRequests, defaultLimits, workSize, maxRunning);
    }

    /** The same with another number of Jobs at a time. */
    public ConverterSettings withMaxRunning(int jobs) {
        return new ConverterSettings(
                image, imagePullPolicy, plainHttpHosts, certificates, defaultRequests, defaultLimits, workSize, jobs);
    }

    /** The same for registries that speak plain HTTP, or that authorities of their own vouch for. */
    public ConverterSettings withRegistries(List<String> plainHttp, String authorities) {
        return new ConverterSettings(
                image, imagePullPolicy, plainHttp, authorities, defaultRequests, defaultLimits, workSize, maxRunning);
    }
}
