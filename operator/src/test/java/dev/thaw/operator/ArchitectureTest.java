package dev.thaw.operator;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

@AnalyzeClasses(packages = "dev.thaw.operator", importOptions = DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule packagesHaveNoCycles =
            slices().matching("dev.thaw.operator.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule nobodyUsesTheProgram = noClasses()
            .that()
            .resideInAPackage("dev.thaw.operator.*..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("dev.thaw.operator");

    @ArchTest
    static final ArchRule theOperatorKnowsNeitherFormatNorConverterNorAgent = noClasses()
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("dev.thaw.rafs..", "dev.thaw.converter..", "dev.thaw.agent..");

    @ArchTest
    static final ArchRule certificatesKnowNoOtherPart = classes()
            .that()
            .resideInAPackage("..operator.certificates..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(
                    "..operator.certificates..",
                    "dev.thaw.crds..",
                    "java..",
                    "javax..",
                    "org.bouncycastle..",
                    "io.fabric8..",
                    "org.slf4j..",
                    "org.jspecify..");

    @ArchTest
    static final ArchRule admissionAndRolloutDoNotKnowEachOther = slices().matching(
                    "dev.thaw.operator.(admission|rollout|certificates)..")
            .should()
            .notDependOnEachOther();

    @ArchTest
    static final ArchRule shapesKnowNoClient = noClasses()
            .that()
            .haveSimpleNameEndingWith("Shape")
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("io.fabric8.kubernetes.client.KubernetesClient");
}
