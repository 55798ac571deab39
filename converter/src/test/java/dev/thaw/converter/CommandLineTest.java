package dev.thaw.converter;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CommandLineTest {
    @TempDir
    private Path directory;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private FakeRegistry registry;
    private String image;

    @BeforeEach
    void start() {
        registry = FakeRegistry.start();
        SourceFixture.addImage(registry, "team/app", "1.0", SourceFixture.sampleLayers(new Platform("linux", "amd64")));
        image = registry.host() + "/team/app:1.0";
    }

    @AfterEach
    void stop() {
        registry.close();
    }

    private int run(String... arguments) {
        out.reset();
        err.reset();
        return Main.commandLine(
                        new StopSignal(),
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8))
                .execute(arguments);
    }

    private String errors() {
        return err.toString(StandardCharsets.UTF_8);
    }

    private JsonNode answer() throws IOException {
        return new ObjectMapper().readTree(out.toByteArray());
    }

    @Test
    void convertsInspectsAndChecks() throws IOException {
        var result = directory.resolve("termination-log");
        var work = directory.resolve("work");

        assertThat(run(
                        "convert",
                        "--source=" + image,
                        "--plain-http=" + registry.host(),
                        "--chunk-size=64Ki",
                        "--compression=lz4",
                        "--progress=json",
                        "--work=" + work,
                        "--result=" + result))
                .as(errors())
                .isZero();

        assertThat(answer()).isEqualTo(new ObjectMapper().readTree(Files.readString(result)));
        assertThat(answer().path("verified").asBoolean()).isTrue();
        assertThat(errors().lines()).allSatisfy(line -> assertThat(line).startsWith("{\"progress\":{\"phase\":"));
        assertThat(work).isEmptyDirectory();

        assertThat(run("inspect", image + "-thaw", "--plain-http", registry.host()))
                .isZero();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .contains("linux/amd64: Convert")
                .contains("layers: 3")
                .contains("at most 64.0 KiB")
                .contains("lz4_block, sha256");

        assertThat(run("check", image + "-thaw", "--plain-http", registry.host(), "--progress", "off"))
                .as(errors())
                .isZero();
        assertThat(answer().path("verifiedEntries").asLong()).isEqualTo(19);
        assertThat(run("check", image + "-thaw", "--source", image, "--plain-http", registry.host()))
                .isZero();
    }

    @Test
    void checkFindsThatTheSourceIsAnother() throws IOException {
        run("convert", "--source=" + image, "--plain-http=" + registry.host(), "--verify=Off");
        assertThat(answer().path("verified").asBoolean()).isFalse();
        SourceFixture.addImage(
                registry, "team/app", "2.0", SourceFixture.sampleLayers(new Platform("linux", "riscv64")));

        var code = run(
                "check",
                image + "-thaw",
                "--source",
                registry.host() + "/team/app:2.0",
                "--plain-http",
                registry.host());

        assertThat(code).isEqualTo(1);
        assertThat(answer().path("error").path("reason").asText()).isEqualTo("VerificationFailed");
    }

    @Test
    void aFailureIsADocumentToo() throws IOException {
        var result = directory.resolve("termination-log");

        var code = run(
                "convert",
                "--source=" + registry.host() + "/team/app:missing",
                "--plain-http=" + registry.host(),
                "--result=" + result);

        assertThat(code).isEqualTo(1);
        assertThat(answer().path("error").path("reason").asText()).isEqualTo("SourceNotFound");
        assertThat(answer().path("error").path("retryable").asBoolean()).isFalse();
        assertThat(Files.readString(result)).contains("SourceNotFound");
        assertThat(errors()).contains("thaw-converter: SourceNotFound: ");
    }

    @Test
    void inspectSaysThatAnOrdinaryImageIsNotLazy() throws IOException {
        assertThat(run("inspect", image, "--plain-http", registry.host())).isEqualTo(1);
        assertThat(answer().path("error").path("message").asText()).contains("is no lazy image");
    }

    @Test
    void credentialsComeFromDockerConfigFiles() throws IOException {
        registry.wantsBasic("user", "secret");
        var config = directory.resolve("config.json");
        var pair = Base64.getEncoder().encodeToString("user:secret".getBytes(StandardCharsets.UTF_8));
        Files.writeString(config, "{\"auths\":{\"" + registry.host() + "\":{\"auth\":\"" + pair + "\"}}}");

        assertThat(run("convert", "--source=" + image, "--plain-http=" + registry.host()))
                .isEqualTo(1);
        assertThat(answer().path("error").path("reason").asText()).isEqualTo("SourceUnauthorized");
        assertThat(run("convert", "--source=" + image, "--plain-http=" + registry.host(), "--pull-config=" + config))
                .as(errors())
                .isZero();
        assertThat(errors()).doesNotContain("secret");
    }

    @Test
    void wrongUsageIsCode2AndASentence() {
        assertThat(run("convert")).isEqualTo(2);
        assertThat(run("convert", "--source", "Not A Reference")).isEqualTo(2);
        assertThat(run("convert", "--source", image, "--chunk-size", "3Ki")).isEqualTo(2);
        assertThat(errors()).contains("power of two");
        assertThat(run("convert", "--source", image, "--chunk-size", "1Zi")).isEqualTo(2);
        assertThat(run("convert", "--source", image, "--mode", "Copy")).isEqualTo(2);
        assertThat(errors()).contains("Auto, Convert, Index");
        assertThat(run("convert", "--source", image, "--span", "1Ki")).isEqualTo(2);
        assertThat(errors()).contains("128 KiB to 16 MiB apart");
        assertThat(run("convert", "--source", image, "--parallel", "0")).isEqualTo(2);
        assertThat(run("convert", "--source", image, "--target", registry.host() + "/a@sha256:" + "0".repeat(64)))
                .isEqualTo(2);
    }

    @Test
    void helpStatesTheBoundsOfMemoryAndDisk() {
        assertThat(run("convert", "--help")).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8).replaceAll("\\s+", " "))
                .contains("32 MiB for each of --parallel workers");
    }

    @Test
    void theDefaultTagFollowsTheSource() {
        var reference = Reference.parse(registry.host() + "/team/app@sha256:" + "ab".repeat(32));

        assertThat(ConversionRequest.defaultTarget(Reference.parse(image))).hasToString(image + "-thaw");
        assertThat(ConversionRequest.defaultTarget(reference).tag()).isEqualTo("sha256-abababababab-thaw");
    }
}
