package dev.thaw.bench.convert;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.agent.files.Folders;
import dev.thaw.bench.Programs;
import dev.thaw.bench.Registry;
import dev.thaw.converter.rehearsal.EmbeddedRegistry;
import dev.thaw.demo.ThawProgram;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleBiFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures conversion as whole programs, in turn with what else does the like on the same bytes. */
@Command(
        name = "e2e/bench/convert",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Converts layers with Thaw and with nydus-image, in turn, and compares the medians of their times.",
            "",
            "Thaw is measured from the start of its JVM to its end: it pulls the gzipped layer from a registry on this"
                    + " machine, converts it, pushes the blob, and (\"verified\") reads source and result again to compare"
                    + " them. The registry's own work runs on the same processors. nydus-image reads the same layer from a"
                    + " file and writes a file. \"Thaw index\" finds where the layer can be entered, and copies nothing of it.",
        })
public final class ConvertBench implements Callable<Integer> {
    private static final String REPOSITORY = "bench/image";
    private static final String REGISTRY = "docker-registry";

    private static final String THAW = "Thaw convert";
    private static final String VERIFIED = "Thaw convert, verified";
    private static final String INDEX = "Thaw index";
    private static final String NYDUS_GZIP = "nydus-image targz-rafs";
    private static final String NYDUS_TAR = "nydus-image tar-rafs";
    private static final String NYDUS_INDEX = "nydus-image targz-ref";
    private static final String NYDUS_WHOLE = NYDUS_GZIP + ", pulled and pushed";
    private static final String GZIP = "gzip -dc";
    private static final String GZIP_PULLED = GZIP + ", pulled";

    /**
     * What nydusify does around nydus-image: pulls the layer into a file, pushes blob and bootstrap, the latter as a gzipped tar. The
     * arguments are the repository's URL, the layer's digest, and what runs nydus-image but for the layer's file.
     */
    private static final String NYDUS_WHOLE_SCRIPT = """
            set -eu
            repository=$1 layer=$2
            shift 2
            push() {
                at=$(curl -sSf -X POST -D - -o /dev/null "$repository/blobs/uploads/" | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
                curl -sSf -o /dev/null -T "$1" -H 'Expect:' -H 'Content-Type: application/octet-stream' "$at&digest=sha256:$2"
            }
            rm -rf whole
            mkdir -p whole/blobs
            curl -sSf -o whole/layer.tar.gz "$repository/blobs/$layer"
            "$@" --blob-dir whole/blobs --bootstrap whole/image.boot whole/layer.tar.gz
            for blob in whole/blobs/*; do
                push "$blob" "${blob##*/}"
            done
            tar -C whole -cf - image.boot | gzip > whole/boot.tar.gz
            push whole/boot.tar.gz "$(sha256sum whole/boot.tar.gz | cut -d ' ' -f 1)"
            """;

    @Option(
            names = "--size",
            split = ",",
            defaultValue = "800,2400",
            paramLabel = "MIB",
            description = "Sizes of the layers, uncompressed. Default: ${DEFAULT-VALUE} MiB.")
    private List<Long> sizesMebibytes = List.of();

    @Option(
            names = "--rounds",
            defaultValue = "5",
            paramLabel = "N",
            description = "Rounds that count; one more goes before them. Default: ${DEFAULT-VALUE}.")
    private int rounds;

    @Option(
            names = "--tree",
            paramLabel = "DIR",
            description =
                    "Take files from here; may be given several times. Default: this JDK, Python's and the system's"
                            + " libraries, /usr/share.")
    private List<Path> trees = new ArrayList<>();

    @Option(
            names = "--layer",
            paramLabel = "FILE",
            description = "Take this layer, a tar that may be gzipped, instead of making some.")
    private @Nullable Path layerFile;

    @Option(
            names = "--nydus-image",
            paramLabel = "FILE",
            description = "The program. Default: searched on the PATH and in ~/.cargo/bin.")
    private @Nullable Path nydusImage;

    @Option(
            names = "--work",
            defaultValue = "/var/tmp",
            paramLabel = "DIR",
            description = "Where files go meanwhile. Default: ${DEFAULT-VALUE}.")
    private Path work = Path.of("/var/tmp");

    @Option(
            names = "--jvm-option",
            paramLabel = "OPTION",
            description = "One more option for the converter's JVM, as for profiling; may be given several times.")
    private List<String> jvmOptions = new ArrayList<>();

    @Option(
            names = "--write",
            paramLabel = "FILE",
            description = "Put the result into this Markdown file, in the place of the last one.")
    private @Nullable Path write;

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new ConvertBench()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        var converter = ThawProgram.converter();
        var reports = new ArrayList<String>();
        for (long size : layerFile == null ? sizesMebibytes : List.of(0L)) {
            var folder = Files.createTempDirectory(work, "thaw-bench-");
            try (var registry = RunningRegistry.in(folder.resolve("registry"))) {
                System.err.println("The registry is " + registry.name());
                var layer = layerFile == null
                        ? SampleLayer.make(trees.isEmpty() ? usualTrees() : trees, size << 20, folder)
                        : SampleLayer.of(layerFile, folder);
                var report = measure(layer, converter, registry, folder);
                System.out.println(report);
                reports.add(report);
            } finally {
                Folders.delete(folder);
            }
        }
        if (write != null) {
            Report.writeInto(write, reports);
        }
        return CommandLine.ExitCode.OK;
    }

    private String measure(SampleLayer layer, ThawProgram converter, RunningRegistry registry, Path folder)
            throws IOException, InterruptedException {
        var contestants = contestants(layer, converter, push(layer, registry), folder);
        for (var round = 0; round <= rounds; round++) {
            for (var contestant : contestants) {
                if (round == 1) {
                    contestant.forget();
                }
                contestant.run(round);
                System.err.printf("round %d: %s%n", round, contestant.lastText());
            }
        }
        return new Report(layer, contestants, rounds).text() + "\n" + ratios(contestants);
    }

    /**
     * Debian's where it is installed, else our own, which costs the two programs' processors more.
     *
     * @param name for people
     */
    private record RunningRegistry(String name, String host, AutoCloseable server) implements AutoCloseable {
        static RunningRegistry in(Path folder) throws IOException, InterruptedException {
            var programs = Programs.behind(List.of());
            if (programs.find(REGISTRY).isPresent()) {
                var registry = new Registry(programs, folder);
                // who is told to end by a signal does not come to the end of a try
                Runtime.getRuntime().addShutdownHook(new Thread(registry::close, "registry"));
                return new RunningRegistry(REGISTRY, Registry.host(), registry);
            }
            var own = new EmbeddedRegistry(folder);
            return new RunningRegistry("embedded, for " + REGISTRY + " is not installed", own.host(), own);
        }

        @Override
        public void close() throws IOException {
            try {
                server.close();
            } catch (Exception e) {
                throw new IOException("the registry did not end: " + e.getMessage(), e);
            }
        }
    }

    private static List<Path> usualTrees() throws IOException {
        return Stream.of(
                        System.getProperty("java.home"),
                        "/usr/lib/python3",
                        "/usr/lib/x86_64-linux-gnu",
                        "/usr/lib/aarch64-linux-gnu",
                        "/usr/share",
                        "/usr/bin")
                .map(Path::of)
                .filter(Files::isDirectory)
                .toList();
    }

    private static Reference push(SampleLayer layer, RunningRegistry registry) throws IOException {
        var image = Reference.parse(registry.host() + "/" + REPOSITORY + ":gzip");
        var settings = RegistrySettings.defaults().withPlainHttp(registry.host());
        try (var client = new RegistryClient(settings, CredentialSource.anonymous());
                var upload = client.upload(image)) {
            Files.copy(layer.gzip(), upload);
            var blob = upload.commit().withMediaType(MediaTypes.OCI_LAYER_GZIP);
            var config = new ObjectMapper()
                    .writeValueAsBytes(Map.of(
                            "architecture",
                            "amd64",
                            "os",
                            "linux",
                            "rootfs",
                            Map.of(
                                    "type",
                                    "layers",
                                    "diff_ids",
                                    List.of(digest(layer.tar()).toString()))));
            var description = Descriptor.of(MediaTypes.OCI_CONFIG, config);
            client.push(image, description.digest(), config);
            client.putManifest(image, ImageManifest.of(description, List.of(blob), null, null, Map.of()));
        }
        return image;
    }

    private static Digest digest(Path file) throws IOException {
        var hasher = new Digest("sha256", "0".repeat(64)).hasher();
        try (InputStream in = Files.newInputStream(file)) {
            var buffer = new byte[1 << 20];
            for (int count; (count = in.read(buffer)) >= 0; ) {
                hasher.update(buffer, 0, count);
            }
        }
        return Digest.of("sha256", hasher);
    }

    private List<Contestant> contestants(SampleLayer layer, ThawProgram converter, Reference source, Path folder)
            throws IOException {
        var repository = "http://%s/v2/%s".formatted(source.registry(), source.repository());
        var digest = digest(layer.gzip()).toString();
        var contestants = new ArrayList<Contestant>();
        contestants.add(thaw(THAW, "Convert", "Off", layer, converter, source, folder));
        contestants.add(thaw(VERIFIED, "Convert", "Full", layer, converter, source, folder));
        contestants.add(thaw(INDEX, "Index", "Off", layer, converter, source, folder));
        nydusImage()
                .ifPresentOrElse(
                        program -> {
                            contestants.add(nydus(program, NYDUS_GZIP, "targz-rafs", layer.gzip(), layer, folder));
                            contestants.add(nydusWhole(program, repository, digest, layer, folder));
                            contestants.add(nydus(program, NYDUS_TAR, "tar-rafs", layer.tar(), layer, folder));
                            contestants.add(nydus(program, NYDUS_INDEX, "targz-ref", layer.gzip(), layer, folder));
                        },
                        () -> System.err.println("nydus-image is not here, so nothing is compared with it."
                                + " Install it with: cargo install nydus-rs --bin nydus-image"));
        contestants.add(new Contestant(
                GZIP,
                layer.tarBytes(),
                round -> Run.of(
                        List.of("sh", "-c", "exec gzip -dc " + layer.gzip() + " >/dev/null"),
                        folder.resolve("gzip.log"))));
        contestants.add(new Contestant(
                GZIP_PULLED,
                layer.tarBytes(),
                round -> Run.of(
                        List.of(
                                "sh",
                                "-c",
                                "curl -sSf %s/blobs/%s | gzip -dc >/dev/null".formatted(repository, digest)),
                        folder.resolve("gzip.log"))));
        return contestants;
    }

    private Contestant thaw(
            String name,
            String mode,
            String verify,
            SampleLayer layer,
            ThawProgram converter,
            Reference source,
            Path folder) {
        return new Contestant(name, layer.tarBytes(), round -> {
            var target = source.withTag((mode + "-" + verify).toLowerCase(Locale.ROOT) + "-" + round);
            var command = converter.commandWith(
                    jvmOptions,
                    "convert",
                    "--source",
                    source.toString(),
                    "--target",
                    target.toString(),
                    "--plain-http",
                    source.registry(),
                    "--work",
                    folder.toString(),
                    "--mode",
                    mode,
                    "--verify",
                    verify,
                    "--fresh");
            return Run.of(command, folder.resolve("thaw.log"));
        });
    }

    private static Contestant nydus(Path program, String name, String type, Path from, SampleLayer layer, Path folder) {
        return new Contestant(name, layer.tarBytes(), round -> {
            var blob = folder.resolve("nydus.blob");
            var bootstrap = folder.resolve("nydus.boot");
            Files.deleteIfExists(blob);
            Files.deleteIfExists(bootstrap);
            var command = nydusCommand(program, type);
            command.addAll(List.of("--blob", blob.toString(), "--bootstrap", bootstrap.toString(), from.toString()));
            return Run.of(command, folder.resolve("nydus.log"));
        });
    }

    private static Contestant nydusWhole(
            Path program, String repository, String digest, SampleLayer layer, Path folder) {
        return new Contestant(NYDUS_WHOLE, layer.tarBytes(), round -> {
            var command = new ArrayList<>(List.of(
                    "sh",
                    "-c",
                    "cd '%s'\n%s".formatted(folder, NYDUS_WHOLE_SCRIPT),
                    "nydus-whole",
                    repository,
                    digest));
            command.addAll(nydusCommand(program, "targz-rafs"));
            return Run.of(command, folder.resolve("nydus.log"));
        });
    }

    private static List<String> nydusCommand(Path program, String type) {
        return new ArrayList<>(List.of(
                program.toString(),
                "create",
                "--type",
                type,
                "--fs-version",
                "6",
                "--compressor",
                "zstd",
                "--chunk-size",
                "0x100000"));
    }

    private Optional<Path> nydusImage() {
        return nydusImage != null
                ? Optional.of(nydusImage)
                : Stream.concat(
                                Stream.of(
                                        System.getenv().getOrDefault("PATH", "").split(":")),
                                Stream.of(System.getProperty("user.home") + "/.cargo/bin"))
                        .map(folder -> Path.of(folder, "nydus-image"))
                        .filter(Files::isExecutable)
                        .findFirst();
    }

    /** How many times as thrifty and as fast Thaw is; medians of the rounds, each of which is compared within itself. */
    private static String ratios(List<Contestant> contestants) {
        return "ratios by the processors' time: %s%nratios of throughput: %s"
                .formatted(
                        ratios(contestants, Contestant::timesAsThriftyAs),
                        ratios(contestants, Contestant::timesAsFastAs));
    }

    private static String ratios(List<Contestant> contestants, ToDoubleBiFunction<Contestant, Contestant> ratio) {
        var byName = new LinkedHashMap<String, Contestant>();
        contestants.forEach(contestant -> byName.put(contestant.name(), contestant));
        return Stream.of(
                        new String[] {THAW, NYDUS_GZIP},
                        new String[] {THAW, NYDUS_WHOLE},
                        new String[] {VERIFIED, NYDUS_GZIP},
                        new String[] {THAW, NYDUS_TAR},
                        new String[] {INDEX, NYDUS_INDEX},
                        new String[] {INDEX, GZIP},
                        new String[] {INDEX, GZIP_PULLED})
                .filter(pair -> byName.containsKey(pair[1]))
                .map(pair -> "%s / %s = %.2f"
                        .formatted(
                                pair[0],
                                pair[1],
                                ratio.applyAsDouble(
                                        Objects.requireNonNull(byName.get(pair[0])),
                                        Objects.requireNonNull(byName.get(pair[1])))))
                .collect(Collectors.joining("; "));
    }
}
