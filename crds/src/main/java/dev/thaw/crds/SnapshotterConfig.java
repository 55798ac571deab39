package dev.thaw.crds;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn.Type;
import io.fabric8.generator.annotation.Required;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Version;
import org.jspecify.annotations.Nullable;

/** Which nodes get the agent, and how it behaves there. */
@Group(Names.GROUP)
@Version(Names.VERSION)
@ShortNames("lzsc")
@Explained(
        "Which nodes get the agent that serves lazy images, and how it behaves there. Deleting it gives containerd's configuration back.")
@AdditionalPrinterColumn(
        name = "Ready",
        jsonPath = ".status.conditions[?(@.type==\"Ready\")].status",
        type = Type.STRING)
@AdditionalPrinterColumn(name = "Desired", jsonPath = ".status.nodes.desired", type = Type.INTEGER)
@AdditionalPrinterColumn(name = "Installed", jsonPath = ".status.nodes.installed", type = Type.INTEGER)
@AdditionalPrinterColumn(name = "Drivers", jsonPath = ".status.drivers", type = Type.STRING)
@AdditionalPrinterColumn(name = "Cache", jsonPath = ".status.cache.summary", type = Type.STRING)
@AdditionalPrinterColumn(name = "Outdated", jsonPath = ".status.nodes.outdated", type = Type.INTEGER, priority = 1)
@AdditionalPrinterColumn(
        name = "Reason",
        jsonPath = ".status.conditions[?(@.type==\"Ready\")].reason",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(name = "Age", jsonPath = ".metadata.creationTimestamp", type = Type.DATE)
public final class SnapshotterConfig extends CustomResource<SnapshotterConfigSpec, SnapshotterConfigStatus> {
    @Override
    @Required
    public SnapshotterConfigSpec getSpec() {
        return super.getSpec();
    }

    @Override
    protected @Nullable SnapshotterConfigSpec initSpec() {
        return null;
    }

    @Override
    protected @Nullable SnapshotterConfigStatus initStatus() {
        return null;
    }
}
