package dev.thaw.crds;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn.Type;
import io.fabric8.generator.annotation.Required;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Version;
import org.jspecify.annotations.Nullable;

/** An image that pods of its namespace may start before it is downloaded. */
@Group(Names.GROUP)
@Version(Names.VERSION)
@ShortNames("lzi")
@Explained(
        "An image that pods of this namespace may start before it is downloaded: annotate them with thaw.dev/lazy: \"true\".")
@AdditionalPrinterColumn(name = "Image", jsonPath = ".spec.image", type = Type.STRING)
@AdditionalPrinterColumn(name = "Mode", jsonPath = ".status.mode", type = Type.STRING)
@AdditionalPrinterColumn(
        name = "Ready",
        jsonPath = ".status.conditions[?(@.type==\"Ready\")].status",
        type = Type.STRING)
@AdditionalPrinterColumn(name = "Nodes", jsonPath = ".status.nodeTotals.summary", type = Type.STRING)
@AdditionalPrinterColumn(name = "Cached", jsonPath = ".status.nodeTotals.cached", type = Type.STRING)
@AdditionalPrinterColumn(name = "Entrypoint", jsonPath = ".status.coldStart.entrypoint.p50", type = Type.STRING)
@AdditionalPrinterColumn(
        name = "Ready-Time",
        jsonPath = ".status.coldStart.ready.p50",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(name = "Touched", jsonPath = ".status.coldStart.touched", type = Type.STRING, priority = 1)
@AdditionalPrinterColumn(
        name = "Reason",
        jsonPath = ".status.conditions[?(@.type==\"Ready\")].reason",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(name = "Age", jsonPath = ".metadata.creationTimestamp", type = Type.DATE)
public final class LazyImage extends CustomResource<LazyImageSpec, LazyImageStatus> implements Namespaced {
    @Override
    @Required
    public LazyImageSpec getSpec() {
        return super.getSpec();
    }

    @Override
    protected @Nullable LazyImageSpec initSpec() {
        return null;
    }

    @Override
    protected @Nullable LazyImageStatus initStatus() {
        return null;
    }
}
