package dev.thaw.converter;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

@AnalyzeClasses(packages = "dev.thaw.converter", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule usesOfThawOnlyRafsAndOci = noClasses()
            .that()
            .resideInAPackage("dev.thaw.converter..")
            .should()
            .dependOnClassesThat(resideInAnyPackage("dev.thaw..")
                    .and(resideOutsideOfPackages("dev.thaw.converter..", "dev.thaw.rafs..", "dev.thaw.oci..")));

    @ArchTest
    static final ArchRule packagesHaveNoCycles =
            slices().matching("dev.thaw.converter.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule nothingBelowKnowsTheCommandLine = noClasses()
            .that()
            .resideInAPackage("dev.thaw.converter.(*)..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("dev.thaw.converter");

    @ArchTest
    static final ArchRule theTarReaderStandsAlone = noClasses()
            .that()
            .resideInAPackage("dev.thaw.converter.tar")
            .should()
            .dependOnClassesThat(
                    resideInAnyPackage("dev.thaw..").and(resideOutsideOfPackages("dev.thaw.converter.tar")));
}
