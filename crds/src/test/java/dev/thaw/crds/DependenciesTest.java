package dev.thaw.crds;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Whoever reads our resources from Java gets the model and nothing else. */
@AnalyzeClasses(packages = "dev.thaw.crds", importOptions = ImportOption.DoNotIncludeTests.class)
final class DependenciesTest {
    @ArchTest
    static final ArchRule theModelNeedsNoClientAndNoOperator = classes()
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(
                    "dev.thaw.crds",
                    "java..",
                    "org.jspecify.annotations",
                    "com.fasterxml.jackson.annotation",
                    "com.fasterxml.jackson.databind.annotation",
                    "io.fabric8.crd.generator.annotation",
                    "io.fabric8.generator.annotation",
                    "io.fabric8.kubernetes.api.model..",
                    "io.fabric8.kubernetes.model.annotation",
                    "io.fabric8.kubernetes.client");
}
