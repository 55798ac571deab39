package dev.thaw.crds;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crdv2.generator.CRDGenerator;
import io.fabric8.crdv2.generator.CRDPostProcessor;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinitionVersion;
import io.fabric8.kubernetes.api.model.apiextensions.v1.JSONSchemaProps;
import io.fabric8.kubernetes.client.CustomResource;
import java.io.File;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Writes the CustomResourceDefinitions; the build runs it once the classes are there.
 *
 * <p>The generator does nearly everything. What it cannot say is put right here: columns in the order of the annotations
 * (it sorts them by path), the category, lists of conditions as maps by type, and what {@code kubectl explain} says at the
 * top.
 */
public final class CrdYaml {
    private static final List<Class<? extends CustomResource<?, ?>>> RESOURCES =
            List.of(LazyImage.class, SnapshotterConfig.class);

    private CrdYaml() {}

    /** Takes one argument: the folder to write into. */
    public static void main(String[] args) {
        var folder = new File(args[0]);
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IllegalStateException("the folder for the CRDs cannot be made: " + folder);
        }
        int written = new CRDGenerator()
                .customResourceClasses(List.copyOf(RESOURCES))
                .forCRDVersions("v1")
                .withPostProcessor(new Finish())
                .inOutputDir(folder)
                .generate();
        if (written != RESOURCES.size()) {
            throw new IllegalStateException(
                    "wrote " + written + " CRDs into " + folder + ", expected " + RESOURCES.size());
        }
    }

    private static final class Finish implements CRDPostProcessor {
        @Override
        public HasMetadata process(HasMetadata crd, String version) {
            var definition = (CustomResourceDefinition) crd;
            var resource = RESOURCES.stream()
                    .filter(type -> type.getSimpleName()
                            .equals(definition.getSpec().getNames().getKind()))
                    .findFirst()
                    .orElseThrow();
            definition.getSpec().getNames().setCategories(List.of(Names.CATEGORY));
            for (var each : definition.getSpec().getVersions()) {
                orderColumns(each, resource);
                var schema = each.getSchema().getOpenAPIV3Schema();
                schema.setDescription(resource.getAnnotation(Explained.class).value());
                var status = schema.getProperties().get("status");
                status.setDescription("What the operator observed. Written by it alone.");
                schema.getProperties().get("spec").setDescription("What is wanted.");
                mapByKey(status.getProperties().get("conditions"), "type");
            }
            return definition;
        }

        private static void orderColumns(CustomResourceDefinitionVersion version, Class<?> resource) {
            var order = Arrays.stream(resource.getAnnotationsByType(AdditionalPrinterColumn.class))
                    .map(AdditionalPrinterColumn::name)
                    .toList();
            version.getAdditionalPrinterColumns().sort(Comparator.comparing(column -> order.indexOf(column.getName())));
        }

        private static void mapByKey(JSONSchemaProps list, String key) {
            list.setXKubernetesListType("map");
            list.setXKubernetesListMapKeys(List.of(key));
        }
    }
}
