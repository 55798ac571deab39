package dev.thaw.converter;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Repository.Side;
import dev.thaw.converter.registry.Traffic;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.ResultDocument;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code thaw-converter convert}. */
@Command(
        name = "convert",
        description = "Converts an image to a lazy image and publishes it.",
        footer = {
            "",
            "The layers stream through: contents are never on disk. Memory does not depend on the size of the image,"
                    + " only on the number of its files: about 32 MiB for each of --parallel workers with chunks of 1Mi,"
                    + " and 800 bytes for each file. The disk holds bootstraps only: about 300 bytes for each file and 200"
                    + " for each chunk. No privileges are needed.",
            "",
            "The tag moves last, after verification. A conversion that was interrupted goes on where it stopped: layers"
                    + " already converted are found in the target repository.",
            "",
            "The result is one JSON document on standard output. Exit codes: 0 done, 1 failed, 2 wrong usage."
        })
final class ConvertCommand implements Callable<Integer> {
    private static final int DEFAULT_PARALLEL = Math.clamp(Runtime.getRuntime().availableProcessors(), 2, 4);

    private enum Compression {
        zstd(Codec.ZSTD),
        lz4(Codec.LZ4_BLOCK),
        none(Codec.NONE);

        private final Codec codec;

        Compression(Codec codec) {
            this.codec = codec;
        }
    }

    private enum Verify {
        Full,
        Off
    }

    private final Console console;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Option(
            names = "--source",
            required = true,
            paramLabel = "REF",
            description = "Image to convert, by tag or digest.")
    private String source = "";

    @Option(
            names = "--target",
            paramLabel = "REF",
            description = "Where the lazy image goes. Default: the source's repository, tag <tag>-thaw.")
    private @Nullable String target;

    @Option(
            names = "--platform",
            paramLabel = "OS/ARCH[/VARIANT]",
            description = "Platform to convert; may be given several times. Default: all Linux platforms of the image.")
    private List<String> platforms = new ArrayList<>();

    @Option(
            names = "--chunk-size",
            paramLabel = "SIZE",
            defaultValue = "1Mi",
            converter = ByteSize.Converter.class,
            description = "Size of chunks, a power of two from 4Ki to 16Mi. Default: ${DEFAULT-VALUE}.")
    private ByteSize chunkSize = new ByteSize(1 << 20);

    @Option(
            names = "--compression",
            defaultValue = "zstd",
            description = "How chunks are compressed: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private Compression compression = Compression.zstd;

    @Option(
            names = "--chunk-dict",
            paramLabel = "REF",
            description =
                    "A lazy image, as an earlier version of this one: chunks that it has are referred to in its blobs and"
                            + " not stored again. Blobs come along where the target is another repository. Layers that are"
                            + " read in place (mode Index) share nothing.")
    private @Nullable String chunkDictionary;

    @Option(
            names = "--mode",
            defaultValue = "Auto",
            description =
                    "${COMPLETION-CANDIDATES}. Convert: contents are copied into blobs of chunks. Index: layers stay"
                            + " as they are, and only where in them contents lie is stored. Auto: Index from 10 GiB on, or"
                            + " from 1 GiB if most of it is compressed data; else Convert. zstd layers can stay if no frame"
                            + " of them is longer than 16 MiB, as of zstd:chunked and pzstd; nydusd, which has no form for"
                            + " such layers, does not read them. Default: ${DEFAULT-VALUE}.")
    private Mode mode = Mode.Auto;

    @Option(
            names = "--span",
            paramLabel = "SIZE",
            defaultValue = "1Mi",
            converter = ByteSize.Converter.class,
            description =
                    "How much of a layer, about, is decoded from one checkpoint in mode Index, 128Ki to 16Mi: less"
                            + " makes small reads cheaper and the index larger. Default: ${DEFAULT-VALUE}.")
    private ByteSize span = new ByteSize(ConversionRequest.DEFAULT_SPAN_BYTES);

    @Option(
            names = "--push-config",
            paramLabel = "FILE",
            description = "Docker config file with credentials for writing. Default: those for reading.")
    private @Nullable Path pushConfig;

    @Option(
            names = "--parallel",
            paramLabel = "N",
            description = "Layers converted at a time, 1 to 64. Default: the processors, at least 2 and at most 4.")
    private int parallel = DEFAULT_PARALLEL;

    @Option(
            names = "--work",
            paramLabel = "DIR",
            description = "Directory for bootstraps while converting. Default: the system's temporary directory.")
    private Path work = Path.of(System.getProperty("java.io.tmpdir"));

    @Option(
            names = "--verify",
            defaultValue = "Full",
            description = "Full: read source and result again and compare every file before the tag moves. Off: do not."
                    + " Default: ${DEFAULT-VALUE}.")
    private Verify verify = Verify.Full;

    @Option(
            names = "--fresh",
            description = "Convert every layer, also those that were converted before with the same options.")
    private boolean fresh;

    @Option(
            names = "--progress",
            defaultValue = "auto",
            description = "Progress on standard error: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}, a bar on a"
                    + " terminal and lines elsewhere.")
    private Console.ProgressChoice progress = Console.ProgressChoice.auto;

    @Option(
            names = "--result",
            paramLabel = "FILE",
            description = "Also write the result here, kept under 4000 bytes (for /dev/termination-log).")
    private @Nullable Path result;

    @Mixin
    private RegistryOptions registries = new RegistryOptions();

    ConvertCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        var request = request();
        var shown = console.progress(progress);
        var traffic = new Traffic();
        try (var reader = registries.reader();
                var writer = pushConfig == null ? null : registries.writer(pushConfig)) {
            var from = new Repository(reader, request.source(), Side.SOURCE, traffic);
            var to = new Repository(writer == null ? reader : writer, request.target(), Side.TARGET, traffic);
            var converted = new Converter(from, to, traffic, shown, console.stop()).convert(request);
            console.answer(ResultDocument.of(converted), result);
            return CommandLine.ExitCode.OK;
        } catch (IOException e) {
            shown.end();
            console.fail(ConversionException.of(e), result);
            return CommandLine.ExitCode.SOFTWARE;
        }
    }

    private ConversionRequest request() {
        try {
            var image = Reference.parse(source);
            return new ConversionRequest(
                    image,
                    target == null ? ConversionRequest.defaultTarget(image) : Reference.parse(target),
                    platforms.stream().map(Platform::parse).toList(),
                    new LayerOptions(chunkSize.bytes(), compression.codec, DigestAlgorithm.SHA256, 3),
                    chunkDictionary == null ? null : Reference.parse(chunkDictionary),
                    mode,
                    !fresh,
                    verify == Verify.Full,
                    parallel,
                    work,
                    span.bytes());
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
    }
}
