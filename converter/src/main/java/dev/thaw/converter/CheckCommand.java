package dev.thaw.converter;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.converter.published.LazyImage;
import dev.thaw.converter.published.Verification;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Repository.Side;
import dev.thaw.converter.registry.Traffic;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.Phase;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.source.SourceImage;
import dev.thaw.converter.source.SourcePlatform;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code thaw-converter check}. */
@Command(
        name = "check",
        description = "Compares a published lazy image with its source: manifests, every chunk and every file.")
final class CheckCommand implements Callable<Integer> {
    private final Console console;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "REF", description = "The lazy image, by tag or digest.")
    private String image = "";

    @Option(
            names = "--source",
            paramLabel = "REF",
            description =
                    "Image to compare with. Default: what the lazy image says it was made of, in its own repository.")
    private @Nullable String source;

    @Option(
            names = "--work",
            paramLabel = "DIR",
            description = "Directory for bootstraps while checking. Default: the system's temporary directory.")
    private Path work = Path.of(System.getProperty("java.io.tmpdir"));

    @Option(names = "--parallel", paramLabel = "N", description = "Layers and blobs read at a time. Default: 2.")
    private int parallel = 2;

    @Option(
            names = "--progress",
            defaultValue = "auto",
            description = "Progress on standard error: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private Console.ProgressChoice progress = Console.ProgressChoice.auto;

    @Mixin
    private RegistryOptions registries = new RegistryOptions();

    CheckCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        Reference reference;
        @Nullable Reference given;
        try {
            reference = Reference.parse(image);
            given = source == null ? null : Reference.parse(source);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
        var shown = console.progress(progress);
        try (var client = registries.reader()) {
            var traffic = new Traffic();
            var lazyRepository = new Repository(client, reference, Side.SOURCE, traffic);
            var published = LazyImage.read(lazyRepository, reference);
            var from = new Repository(client, given == null ? reference : given, Side.SOURCE, traffic);
            Files.createDirectories(work);
            var directory = Files.createTempDirectory(work, "thaw-check-");
            long entries = 0;
            try {
                for (var entry : published.entries()) {
                    entries += check(entry, from, given, lazyRepository, directory, shown);
                }
            } finally {
                Files.deleteIfExists(directory);
            }
            shown.end();
            var document = new ObjectMapper()
                    .createObjectNode()
                    .put(
                            "image",
                            lazyRepository
                                    .reference()
                                    .withDigest(published.digest())
                                    .toString())
                    .put("verified", true)
                    .put("verifiedEntries", entries);
            console.out().println(document);
            return CommandLine.ExitCode.OK;
        } catch (IOException e) {
            shown.end();
            console.fail(ConversionException.of(e), null);
            return CommandLine.ExitCode.SOFTWARE;
        }
    }

    private long check(
            LazyImage.Entry entry,
            Repository from,
            @Nullable Reference given,
            Repository lazyRepository,
            Path directory,
            Progress shown)
            throws IOException {
        var platform = sourceOf(entry, from, given);
        shown.begin(Phase.VERIFY, Verification.bytesToRead(platform, entry));
        return new Verification(from, lazyRepository, directory, parallel, shown, console.stop())
                .verify(platform, entry);
    }

    /** The source for a platform: out of the given image, else what the artifact names. */
    private static SourcePlatform sourceOf(LazyImage.Entry entry, Repository from, @Nullable Reference given)
            throws IOException {
        if (given != null) {
            var platform = entry.platform();
            var resolved = SourceImage.resolve(from, given, platform == null ? List.of() : List.of(platform));
            return resolved.platforms().getFirst();
        }
        var digest = entry.source()
                .orElseThrow(() -> new ConversionException(
                        FailureReason.SourceNotFound,
                        "the artifact for " + entry.platformText()
                                + " does not say what it was made of; give --source"));
        return SourceImage.resolve(from, from.reference().withDigest(digest), List.of())
                .platforms()
                .getFirst();
    }
}
