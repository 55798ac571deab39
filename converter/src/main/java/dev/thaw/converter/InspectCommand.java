package dev.thaw.converter;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.thaw.converter.published.ImageDescription;
import dev.thaw.converter.published.LazyImage;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Repository.Side;
import dev.thaw.converter.registry.Traffic;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code thaw-converter inspect}. */
@Command(
        name = "inspect",
        description =
                "Shows what a lazy image (or an image of nydus' own tools) is: platforms, mode, source, layers, blobs,"
                        + " files, chunks, sizes. Reads manifests and bootstraps, no contents.")
final class InspectCommand implements Callable<Integer> {
    private enum Output {
        text,
        json
    }

    private final Console console;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "REF", description = "The image, by tag or digest.")
    private String image = "";

    @Option(
            names = "--output",
            defaultValue = "text",
            description = "How it is printed: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private Output output = Output.text;

    @Option(
            names = "--work",
            paramLabel = "DIR",
            description = "Directory for a bootstrap while it is read. Default: the system's temporary directory.")
    private Path work = Path.of(System.getProperty("java.io.tmpdir"));

    @Mixin
    private RegistryOptions registries = new RegistryOptions();

    InspectCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        Reference reference;
        try {
            reference = Reference.parse(image);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
        try (var client = registries.reader()) {
            var repository = new Repository(client, reference, Side.SOURCE, new Traffic());
            var read = LazyImage.read(repository, reference);
            Files.createDirectories(work);
            var description = ImageDescription.of(repository, read, work);
            console.out()
                    .println(
                            switch (output) {
                                case text -> description.text();
                                case json ->
                                    new ObjectMapper()
                                            .enable(SerializationFeature.INDENT_OUTPUT)
                                            .writeValueAsString(description);
                            });
            return CommandLine.ExitCode.OK;
        } catch (IOException e) {
            console.fail(ConversionException.of(e), null);
            return CommandLine.ExitCode.SOFTWARE;
        }
    }
}
