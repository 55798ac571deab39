package dev.thaw.oci;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import okhttp3.OkHttpClient;

@AnalyzeClasses(packages = "dev.thaw", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule knowsNoOtherModule = classes()
            .that()
            .resideInAPackage("dev.thaw.oci..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(
                    "dev.thaw.oci..",
                    "java..",
                    "javax.net.ssl..",
                    "okhttp3..",
                    "okio..",
                    "com.fasterxml.jackson..",
                    "dev.failsafe..",
                    "org.slf4j..",
                    "org.jspecify.annotations..");

    @ArchTest
    static final ArchRule packagesHaveNoCycles =
            slices().matching("dev.thaw.(**)").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule onlyTheTransportSendsRequests = noClasses()
            .that()
            .doNotHaveSimpleName("Transport")
            .should()
            .dependOnClassesThat()
            .areAssignableTo(OkHttpClient.class);
}
