package dev.thaw.operator.image;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Which way the arrows point between what converts, what serves nodes, and what reconciles. */
@AnalyzeClasses(packages = "dev.thaw.operator", importOptions = DoNotIncludeTests.class)
class ArrowsTest {
    @ArchTest
    static final ArchRule conversionsKnowOnlyModels = classes()
            .that()
            .resideInAPackage("..operator.conversion..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(
                    "..operator.conversion..",
                    "dev.thaw.crds..",
                    "io.fabric8.kubernetes.api.model..",
                    "io.fabric8.kubernetes.client", // CustomResource, which the model of a LazyImage is
                    "com.fasterxml.jackson..",
                    "java..",
                    "org.jspecify..");

    @ArchTest
    static final ArchRule conversionsTalkToNoCluster = noClasses()
            .that()
            .resideInAPackage("..operator.conversion..")
            .should()
            .dependOnClassesThat()
            .haveSimpleName("KubernetesClient");

    @ArchTest
    static final ArchRule theServerOfNodesKnowsNoReconciler = noClasses()
            .that()
            .resideInAnyPackage("..operator.node..", "..operator.registry..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("..operator.image..", "..operator.rollout..", "..operator.admission..");

    @ArchTest
    static final ArchRule registriesAreReachedThroughOneDoor = noClasses()
            .that()
            .resideOutsideOfPackage("..operator.registry..")
            .should()
            .dependOnClassesThat()
            .haveSimpleName("RegistryClient");

    @ArchTest
    static final ArchRule grpcStaysWithTheServerOfNodes = noClasses()
            .that()
            .resideInAnyPackage("..operator.image..", "..operator.conversion..", "..operator.registry..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.grpc..", "dev.thaw.node.v1..");
}
