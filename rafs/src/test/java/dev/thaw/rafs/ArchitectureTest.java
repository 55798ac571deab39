package dev.thaw.rafs;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** What this module promises by what it lacks. Its tests may use those of others, which come as archives. */
@AnalyzeClasses(
        packages = "dev.thaw",
        importOptions = {ImportOption.DoNotIncludeTests.class, ImportOption.DoNotIncludeArchives.class})
class ArchitectureTest {
    @ArchTest
    static final ArchRule KNOWS_NO_NETWORK_JSON_OR_LOGGING = noClasses()
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "java.net..",
                    "java.net.http..",
                    "java.util.logging..",
                    "org.slf4j..",
                    "com.fasterxml..",
                    "okhttp3..",
                    "io.netty..");

    @ArchTest
    static final ArchRule KNOWS_NO_OTHER_MODULE = noClasses()
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "dev.thaw.oci..",
                    "dev.thaw.converter..",
                    "dev.thaw.agent..",
                    "dev.thaw.operator..",
                    "dev.thaw.crds..",
                    "dev.thaw.node..");

    @ArchTest
    static final ArchRule PACKAGES_ARE_FREE_OF_CYCLES =
            slices().matching("dev.thaw.(**)").should().beFreeOfCycles();
}
