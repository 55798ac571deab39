package dev.thaw.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.agent.containerd.types.Mount;
import dev.thaw.demo.Child;
import dev.thaw.demo.Snapshotter;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.ImageIndex;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.RegistryClient;
import dev.thaw.oci.RegistrySettings;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * What e2e/bench/reads starts, in namespaces of its own. First files are read that are still in the registry, then the same
 * reads are done by turns on overlayfs, on a mount whose reads come to the agent, and on a detached one.
 */
@Command(
        name = "e2e/bench/reads",
        mixinStandardHelpOptions = true,
        description =
                "Measures how fast files are read, beside overlayfs on the same disk and beside the line to the"
                        + " registry. Exit codes: 0 well, 1 wrong results, 2 called wrongly; figures are judged in words alone.")
public final class ReadsBench implements Callable<Integer> {
    private static final String IMAGE = "reads";
    /** Nobody measures over it. */
    private static final Link FAST = new Link("as fast as it goes", 1_000_000_000_000L, Duration.ZERO);

    private static final Duration DETACH_LIMIT = Duration.ofMinutes(1);
    private static final int WARM_PLACES = 20_000;
    private static final int DISK_PLACES = 4000;
    private static final int COLD_PLACES = 24;
    private static final int SEQUENTIAL_FILES = 8;
    private static final int WARM_FACTOR = 5;
    /** The line is made in this process, and is slower at first. */
    private static final int LINE_WARM_UPS = 4;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            description = "Of each kind; five times as many from the page cache. Default: ${DEFAULT-VALUE}.")
    private int rounds = 5;

    @Option(names = "--seed", paramLabel = "N", description = "Of the random order. Default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    @Option(
            names = "--mode",
            paramLabel = "MODE",
            description = "Of the conversion: Convert or Index. Default: ${DEFAULT-VALUE}.")
    private String mode = "Convert";

    @Option(
            names = "--read-ahead",
            paramLabel = "KIB",
            description = "What the kernel reads ahead on Thaw's mounts. Default: what the agent sets.")
    private @Nullable Integer readAheadKib;

    @Option(names = "--cold-only", description = "Only read what is still in the registry.")
    private boolean coldOnly;

    @Option(
            names = "--write",
            paramLabel = "FILE",
            description = "Put the tables into this Markdown file, in the place of the last ones.")
    private @Nullable Path write;

    @Option(names = "--work", hidden = true, description = "For the image, the registry and the roots.")
    private Path work = Path.of("work");

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new ReadsBench()).execute(arguments));
    }

    /** Where the same tree can be read. */
    private enum Way {
        OVERLAYFS,
        AGENT,
        DETACHED
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        var programs = Programs.behind(List.of());
        var thaw = Thaw.converted(mode);
        var layout = work.resolve("layouts").resolve(IMAGE);
        var folder = work.resolve("reads");
        Child.run(List.of("rm", "-rf", "--one-file-system", folder.toString()));
        Files.createDirectories(folder);
        try (var registry = new Registry(programs, work.resolve("registry"));
                var link = new ShapedLink(Registry.LINKED_PORT, Registry.address(), FAST)) {
            if (!registry.has(Registry.direct(IMAGE))) {
                say("pushes the image");
                registry.push(layout, Registry.direct(IMAGE));
            }
            say("publishes it");
            thaw.publish(IMAGE, registry, programs, Files.createDirectories(work.resolve("publish")));
            var image = LazyImage.of(thaw.reference(IMAGE));
            var socket = folder.resolve("agent.sock");
            var daemons = thaw.snapshotter(new Workload(IMAGE, IMAGE, List.of()), work)
                    .orElseThrow()
                    .start(
                            programs,
                            Files.createDirectories(folder.resolve("agent")),
                            socket,
                            folder.resolve("no-containerd.sock"));
            try (var roots = new ReadRoots(folder.resolve("roots"));
                    var agent = new Snapshotter(socket)) {
                return measure(link, roots, agent, image, layers(layout));
            } finally {
                daemons.forEach(Child::close);
            }
        }
    }

    private int measure(ShapedLink link, ReadRoots roots, Snapshotter agent, LazyImage image, List<Path> layers)
            throws IOException, InterruptedException {
        var report = new ReadsReport(mode);
        say("unpacks it for overlayfs");
        var overlayfs = roots.unpacked(layers);
        var top = ReadRoots.offer(agent, image.manifest(), image.diffIds());
        var attached = roots.mount("attached", root(agent, "attached", top));
        setReadAhead();
        int wrong = cold(link, overlayfs, attached, report);
        if (!coldOnly) {
            say("brings the rest");
            link.become(FAST);
            readAll(attached.resolve("data"));
            readAll(attached.resolve("tree"));
            var detached = roots.mount("detached", detached(agent, top));
            setReadAhead();
            wrong += warm(Map.of(Way.OVERLAYFS, overlayfs, Way.AGENT, attached, Way.DETACHED, detached), report);
        }
        System.out.println(report.tables());
        if (write != null) {
            report.writeInto(write);
        }
        System.out.println(wrong == 0 ? report.verdict() : "reads: failed: " + wrong + " results are wrong");
        return wrong == 0 ? 0 : 1;
    }

    /** What is in the registry alone, over each line. @return how many results were wrong */
    private int cold(ShapedLink link, Path right, Path root, ReadsReport report)
            throws IOException, InterruptedException {
        int wrong = 0;
        for (int time = 0; time < LINE_WARM_UPS; time++) {
            download(Files.size(right.resolve("data/sequential-0")));
        }
        for (int number = 0; number < Link.ALL.size(); number++) {
            var line = Link.ALL.get(number);
            link.become(line);
            int files = SEQUENTIAL_FILES / Link.ALL.size();
            for (int file = number * files; file < (number + 1) * files; file++) {
                wrong += cold(link, line, Reading.SEQUENTIAL, "data/sequential-" + file, right, root, report);
            }
            wrong += cold(link, line, Reading.RANDOM, "data/random-" + number, right, root, report);
            wrong += cold(link, line, Reading.MAPPED, "data/mapped-" + number, right, root, report);
        }
        return wrong;
    }

    private int cold(
            ShapedLink link, Link line, Reading reading, String file, Path right, Path root, ReadsReport report)
            throws IOException, InterruptedException {
        boolean whole = reading == Reading.SEQUENTIAL;
        double plain = whole ? download(Files.size(right.resolve(file))) : 0;
        Trial.dropPageCache();
        var before = link.traffic();
        var took = ReadAside.take(reading, root.resolve(file), COLD_PLACES, seed);
        var traffic = link.traffic().since(before);
        long wanted = whole ? Files.size(right.resolve(file)) : COLD_PLACES;
        report.cold(line, reading, wanted, took.seconds(), plain, traffic);
        say("%s, %s: %.3f s (%.3f), %.1f MB in %d requests"
                .formatted(line.name(), reading, took.seconds(), plain, traffic.bytes() / 1e6, traffic.requests()));
        return took.sum()
                        == reading.take(right.resolve(file), COLD_PLACES, seed).sum()
                ? 0
                : 1;
    }

    /** What is on the disk, with a page cache that has it and with one that is empty. @return how many results were wrong */
    private int warm(Map<Way, Path> roots, ReadsReport report) throws IOException, InterruptedException {
        int wrong = 0;
        var random = new Random(seed);
        for (var reading : Reading.values()) {
            for (boolean dropped : new boolean[] {false, true}) {
                say("%s, page cache %s".formatted(reading.description(), dropped ? "dropped" : "warm"));
                if (!dropped) {
                    // What earlier readings left would stay as it is, with pages of other sizes in each way's cache.
                    Trial.dropPageCache();
                    for (var way : Way.values()) {
                        (reading == Reading.WALK ? Reading.WALK : Reading.SEQUENTIAL)
                                .take(path(roots, way, reading), 0, 0);
                    }
                }
                // the first round only warms up; short samples from the page cache need many
                for (int round = 0; round <= (dropped ? rounds : WARM_FACTOR * rounds); round++) {
                    var ways = new ArrayList<>(Arrays.asList(Way.values()));
                    Collections.shuffle(ways, random);
                    var took = new EnumMap<Way, Reading.Took>(Way.class);
                    long places = random.nextLong();
                    for (var way : ways) {
                        took.put(way, take(reading, path(roots, way, reading), dropped, places));
                    }
                    wrong += took.values().stream()
                                            .map(Reading.Took::sum)
                                            .distinct()
                                            .count()
                                    == 1
                            ? 0
                            : 1;
                    if (round > 0) {
                        double overlayfs = seconds(took, Way.OVERLAYFS);
                        report.warm(reading, dropped, overlayfs, seconds(took, Way.AGENT), seconds(took, Way.DETACHED));
                    }
                }
            }
        }
        return wrong;
    }

    /** How long as many bytes of a layer take over the line when nothing is done with them: a busy machine has a slower line. */
    private static double download(long bytes) throws IOException {
        var image = Registry.linked(IMAGE);
        var settings = RegistrySettings.defaults().withPlainHttp(image.registry());
        try (var client = new RegistryClient(settings, CredentialSource.anonymous())) {
            var layer = ((ImageManifest) client.manifest(image)).layers().getLast();
            try (var content = client.range(image, layer.digest(), 0, bytes)) {
                long began = System.nanoTime();
                content.transferTo(OutputStream.nullOutputStream());
                return (System.nanoTime() - began) / 1e9;
            }
        }
    }

    private static double seconds(Map<Way, Reading.Took> took, Way way) {
        var found = took.get(way);
        if (found == null) {
            throw new IllegalStateException(way + " was not measured");
        }
        return found.seconds();
    }

    private static Path path(Map<Way, Path> roots, Way way, Reading reading) {
        var root = roots.get(way);
        if (root == null) {
            throw new IllegalStateException(way + " is not mounted");
        }
        return root.resolve(reading == Reading.WALK ? "tree" : "data/warm");
    }

    private static Reading.Took take(Reading reading, Path path, boolean dropped, long places)
            throws IOException, InterruptedException {
        if (dropped) {
            Trial.dropPageCache();
            return reading.take(path, DISK_PLACES, places);
        }
        return reading.take(path, WARM_PLACES, places);
    }

    private static Mount root(Snapshotter agent, String key, String top) throws IOException {
        return agent.root("default/9/" + key, top).getFirst();
    }

    /** The agent detaches what starts once all is there; the last bytes may just be on their way to the disk. */
    private static Mount detached(Snapshotter agent, String top) throws IOException, InterruptedException {
        for (long end = System.nanoTime() + DETACH_LIMIT.toNanos(); ; Thread.sleep(500)) {
            var mount = root(agent, "detached-" + System.nanoTime(), top);
            if (mount.getOptionsList().stream().anyMatch(option -> option.contains("/detached/"))) {
                return mount;
            }
            if (System.nanoTime() > end) {
                throw new IOException("the image was read from end to end, and is not detached: " + mount);
            }
        }
    }

    private void setReadAhead() throws IOException {
        if (readAheadKib == null) {
            return;
        }
        try (var devices = Files.newDirectoryStream(Path.of("/sys/class/bdi"), "erofs-*")) {
            for (var device : devices) {
                Files.writeString(device.resolve("read_ahead_kb"), readAheadKib.toString(), StandardOpenOption.WRITE);
            }
        }
    }

    private static void readAll(Path root) throws IOException {
        try (var files = Files.walk(root)) {
            for (var file : files.filter(Files::isRegularFile).toList()) {
                Reading.SEQUENTIAL.take(file, 0, 0);
            }
        }
    }

    private static List<Path> layers(Path layout) throws IOException {
        var json = new ObjectMapper();
        var blobs = layout.resolve("blobs").resolve("sha256");
        var manifest = json.readTree(layout.resolve("index.json").toFile())
                .at("/manifests/0/digest")
                .asText();
        var layers = json.readTree(blobs.resolve(hex(manifest)).toFile()).path("layers");
        return IntStream.range(0, layers.size())
                .mapToObj(number ->
                        blobs.resolve(hex(layers.get(number).path("digest").asText())))
                .toList();
    }

    private static String hex(String digest) {
        return digest.substring(digest.indexOf(':') + 1);
    }

    /** What a node learns of an image when it pulls it. */
    private record LazyImage(ImageManifest manifest, List<String> diffIds) {
        static LazyImage of(String reference) throws IOException {
            var image = dev.thaw.oci.Reference.parse(reference);
            var settings = RegistrySettings.defaults().withPlainHttp(image.registry());
            try (var client = new RegistryClient(settings, CredentialSource.anonymous())) {
                var manifest = switch (client.manifest(image)) {
                    case ImageManifest only -> only;
                    case ImageIndex index ->
                        (ImageManifest) client.manifest(
                                image.withDigest(index.manifests().getFirst().digest()));
                };
                try (var config = client.blob(image, manifest.config())) {
                    var ids = new ArrayList<String>();
                    new ObjectMapper().readTree(config).at("/rootfs/diff_ids").forEach(id -> ids.add(id.asText()));
                    return new LazyImage(manifest, ids);
                }
            }
        }
    }

    private static void say(String what) {
        System.err.println("reads: " + what);
    }
}
