package dev.thaw.operator.node;

import dev.thaw.crds.Names;
import dev.thaw.node.v1.ReportTraceRequest;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One ConfigMap for each artifact, in the operator's own namespace, where alone it may write any: the traces one after the other
 * as delimited protobuf, gzipped. A ConfigMap of another namespace cannot be owned by a LazyImage, so whoever uses this deletes
 * what no LazyImage publishes; they are owned by the NodeService's Service, so that they go with the chart.
 */
final class ConfigMapTraces implements TraceStore {
    private static final Logger LOG = LoggerFactory.getLogger(ConfigMapTraces.class);
    private static final String KEY = "traces.pb.gz";
    private static final String PREFIX = "thaw-trace-";
    /** A ConfigMap holds a mebibyte, names and all. */
    private static final int MOST_BYTES = 700 << 10;

    private static final Map<String, String> LABELS =
            Map.of(Names.MANAGED_BY_LABEL, Names.MANAGED_BY, Names.COMPONENT_LABEL, Names.TRACE_COMPONENT);

    private final KubernetesClient client;
    private final String namespace;
    private final String service;

    /**
     * @param namespace the operator's
     * @param service name of the NodeService's Service there
     */
    ConfigMapTraces(KubernetesClient client, String namespace, String service) {
        this.client = client;
        this.namespace = namespace;
        this.service = service;
    }

    @Override
    public List<ReportTraceRequest> load(String artifact) {
        var saved = client.configMaps()
                .inNamespace(namespace)
                .withName(name(artifact))
                .get();
        var content = saved == null || saved.getBinaryData() == null
                ? null
                : saved.getBinaryData().get(KEY);
        if (content == null) {
            return List.of();
        }
        try {
            return decode(Base64.getDecoder().decode(content));
        } catch (IOException | IllegalArgumentException e) {
            LOG.warn("ConfigMap {} is damaged, its traces are learned anew: {}", name(artifact), e.getMessage());
            return List.of();
        }
    }

    @Override
    public boolean save(String artifact, List<ReportTraceRequest> traces) {
        var content = encode(traces);
        if (content.length > MOST_BYTES) {
            return false;
        }
        var map = new ConfigMapBuilder()
                .withNewMetadata()
                .withNamespace(namespace)
                .withName(name(artifact))
                .withLabels(LABELS)
                .addToAnnotations(Names.ARTIFACT_ANNOTATION, artifact)
                .withOwnerReferences(owner().stream().toList())
                .endMetadata()
                .addToBinaryData(KEY, Base64.getEncoder().encodeToString(content))
                .build();
        client.resource(map).createOr(NonDeletingOperation::update);
        return true;
    }

    @Override
    public void delete(String artifact) {
        client.configMaps().inNamespace(namespace).withName(name(artifact)).delete();
    }

    @Override
    public Set<String> artifacts() {
        return client.configMaps().inNamespace(namespace).withLabels(LABELS).list().getItems().stream()
                .map(ConfigMapTraces::artifact)
                .flatMap(Optional::stream)
                .collect(Collectors.toSet());
    }

    private static Optional<String> artifact(ConfigMap map) {
        var annotations = Objects.requireNonNullElse(map.getMetadata().getAnnotations(), Map.<String, String>of());
        return Optional.ofNullable(annotations.get(Names.ARTIFACT_ANNOTATION));
    }

    private Optional<OwnerReference> owner() {
        return Optional.ofNullable(client.services()
                        .inNamespace(namespace)
                        .withName(service)
                        .get())
                .map(found -> new OwnerReferenceBuilder()
                        .withApiVersion("v1")
                        .withKind("Service")
                        .withName(service)
                        .withUid(found.getMetadata().getUid())
                        .build());
    }

    private static String name(String artifact) {
        return PREFIX + artifact.substring(artifact.indexOf(':') + 1);
    }

    static byte[] encode(List<ReportTraceRequest> traces) {
        var bytes = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(bytes)) {
            for (var trace : traces) {
                trace.writeDelimitedTo(out);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory does not fail", e);
        }
        return bytes.toByteArray();
    }

    static List<ReportTraceRequest> decode(byte[] content) throws IOException {
        var traces = new ArrayList<ReportTraceRequest>();
        try (var in = new GZIPInputStream(new ByteArrayInputStream(content))) {
            for (var trace = ReportTraceRequest.parseDelimitedFrom(in);
                    trace != null;
                    trace = ReportTraceRequest.parseDelimitedFrom(in)) {
                traces.add(trace);
            }
        }
        return traces;
    }
}
