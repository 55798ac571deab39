package dev.thaw.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.demo.Child;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What e2e/bench/run starts, in namespaces of its own. Exit codes: 0 well, 1 wrong results, 2 called wrongly. */
@Command(
        name = "e2e/bench/run",
        mixinStandardHelpOptions = true,
        description = "Measures how fast containers start with Thaw and with its peers, and writes docs/benchmarks.md.")
public final class Bench implements Callable<Integer> {
    static final List<Contender> CONTENDERS = List.of(
            new Overlayfs(),
            new Stargz(),
            new Soci(),
            new Nydus(false),
            new Nydus(true),
            Thaw.converted("Convert"),
            Thaw.converted("Index"),
            Thaw.learned());

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Option(
            names = "--smoke",
            description = "The short form: small images, overlayfs and Thaw, one sample each; judges results alone and"
                    + " leaves the documents as they are.")
    private boolean smoke;

    @Option(
            names = "--systems",
            split = ";",
            paramLabel = "NAME",
            description = "Which systems, separated by semicolons. Default: all that are installed.")
    private List<String> systems = CONTENDERS.stream().map(Contender::name).toList();

    @Option(
            names = "--workloads",
            split = ",",
            paramLabel = "NAME",
            description = "Which workloads: http, numpy, torch, vllm, or synthetic-MEGABYTES-PERCENT. Default:"
                    + " ${DEFAULT-VALUE}.")
    private List<String> workloads = List.of(
            "http",
            "numpy",
            "synthetic-1000-1",
            "synthetic-1000-5",
            "synthetic-1000-25",
            "synthetic-1000-80",
            "synthetic-1000-100");

    @Option(
            names = "--links",
            split = ",",
            paramLabel = "NAME",
            description = "Which links: 1000M (1 ms), 200M (20 ms). Default: ${DEFAULT-VALUE}.")
    private List<String> links = Link.ALL.stream().map(Link::id).toList();

    @Option(names = "--samples", paramLabel = "N", description = "Of each kind. Default: ${DEFAULT-VALUE}.")
    private int samples = 5;

    @Option(names = "--seed", paramLabel = "N", description = "Of the random order. Default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    @Option(
            names = "--keep",
            description = "Keep the samples of earlier runs for the report, as long as they are of the same kind.")
    private boolean keep;

    @Option(names = "--images", hidden = true, description = "Only tell which images are needed.")
    private boolean tellImages;

    @Option(names = "--work", hidden = true, description = "For images, registry and samples.")
    private Path work = Path.of("work");

    @Option(names = "--peers", hidden = true, description = "Where e2e/bench/peers installed.")
    private Path peers = Path.of("peers");

    @Option(names = "--docs", hidden = true, description = "Where the report goes.")
    private Path docs = Path.of("docs");

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new Bench()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (smoke) {
            systems = List.of("overlayfs", "Thaw Convert", "Thaw Index", "Thaw learned");
            workloads = List.of("http", "synthetic-200-100");
            links = List.of(Link.GIGABIT.id());
            samples = 1;
        }
        var chosenWorkloads = chosen("workload", workloads, Workload.ALL, Workload::name);
        if (tellImages) {
            chosenWorkloads.stream().map(Workload::image).distinct().forEach(System.out::println);
            return 0;
        }
        var chosenLinks = chosen("link", links, Link.ALL, Link::id);
        var programs = Programs.behind(List.of());
        var missing = new LinkedHashMap<String, String>();
        var contenders = new ArrayList<Contender>();
        for (var contender : chosen("system", systems, CONTENDERS, Contender::name)) {
            contender
                    .missing(programs)
                    .ifPresentOrElse(reason -> missing.put(contender.name(), reason), () -> contenders.add(contender));
        }
        return run(contenders, chosenWorkloads, chosenLinks, programs, missing);
    }

    private <T> List<T> chosen(String kind, List<String> names, List<T> all, Function<T, String> name) {
        var found = new ArrayList<T>();
        for (var wanted : names) {
            found.add(all.stream()
                    .filter(each -> name.apply(each).equals(wanted))
                    .findFirst()
                    .orElseThrow(() -> new ParameterException(
                            spec.commandLine(),
                            "there is no %s %s, only %s"
                                    .formatted(
                                            kind, wanted, all.stream().map(name).toList()))));
        }
        return found;
    }

    private record Turn(Contender contender, Workload workload, Link link, int run) {}

    private int run(
            List<Contender> contenders,
            List<Workload> workloads,
            List<Link> links,
            Programs programs,
            Map<String, String> missing)
            throws IOException, InterruptedException {
        var layouts = work.resolve("layouts");
        var results = new Results(work.resolve(smoke ? "smoke.jsonl" : "samples.jsonl"), new ObjectMapper());
        if (!keep) {
            results.clear();
        }
        try (var registry = new Registry(programs, work.resolve("registry"));
                var link = new ShapedLink(Registry.LINKED_PORT, Registry.address(), Link.GIGABIT)) {
            var ready = publish(registry, contenders, workloads, layouts, programs, missing);
            var turns = new ArrayList<Turn>();
            for (var line : links) {
                for (var workload : workloads) {
                    for (var contender : ready) {
                        for (int run = 1; run <= samples; run++) {
                            turns.add(new Turn(contender, workload, line, run));
                        }
                    }
                }
            }
            Collections.shuffle(turns, new Random(seed));
            var kept = work.resolve("kept");
            if (!keep) {
                Child.run(List.of("rm", "-rf", kept.toString()));
            }
            var trial = new Trial(
                    programs, link, work.resolve("node"), Files.createDirectories(kept), work.resolve("sandbox.tar"));
            rehearse(trial, ready, workloads, kept);
            for (int at = 0; at < turns.size(); at++) {
                var turn = turns.get(at);
                var sample = trial.take(turn.contender(), turn.workload(), turn.link(), turn.run(), turn.run() == 1);
                results.add(sample);
                say("%d of %d: %s".formatted(at + 1, turns.size(), line(sample)));
            }
            var sizes = new LinkedHashMap<String, Long>();
            for (var workload : Workload.ALL) {
                if (results.all().stream().anyMatch(sample -> sample.workload().equals(workload.name()))) {
                    sizes.put(workload.name(), registry.layerBytes(Registry.direct(workload.image())));
                }
            }
            var wrong = new Judgement(layouts, sizes).faults(results.all());
            if (!smoke) {
                new Report(results.all(), sizes, missing).write(docs);
            }
            wrong.forEach(fault -> say("wrong: " + fault));
            System.out.println(
                    wrong.isEmpty()
                            ? "bench: passed: %d samples, all of them right"
                                    .formatted(results.all().size())
                            : "bench: failed: %d of %d results are wrong"
                                    .formatted(wrong.size(), results.all().size()));
            return wrong.isEmpty() ? 0 : 1;
        }
    }

    /** Lets systems that learn see each workload once, on a node and a line as good as any. */
    private static void rehearse(Trial trial, List<Contender> contenders, List<Workload> workloads, Path kept)
            throws IOException, InterruptedException {
        for (var contender : contenders) {
            for (var workload : workloads) {
                if (contender.wantsRehearsal(workload, kept)) {
                    say("rehearses: " + line(trial.take(contender, workload, Link.GIGABIT, 0, true)));
                    if (contender.wantsRehearsal(workload, kept)) {
                        throw new IOException(
                                "%s has learned nothing of a start of %s".formatted(contender.name(), workload.name()));
                    }
                }
            }
        }
    }

    /** A system that cannot make its form of the images does not run; the report says why. */
    private List<Contender> publish(
            Registry registry,
            List<Contender> contenders,
            List<Workload> workloads,
            Path layouts,
            Programs programs,
            Map<String, String> missing)
            throws IOException, InterruptedException {
        var images = workloads.stream().map(Workload::image).distinct().toList();
        for (var image : images) {
            if (!registry.has(Registry.direct(image))) {
                say("pushes " + image);
                registry.push(layouts.resolve(image), Registry.direct(image));
            }
        }
        var ready = new ArrayList<Contender>();
        for (var contender : contenders) {
            try {
                for (var image : images) {
                    say("publishes %s for %s".formatted(image, contender.name()));
                    contender.publish(image, registry, programs, Files.createDirectories(work.resolve("publish")));
                }
                ready.add(contender);
            } catch (IOException e) {
                say("%s cannot publish: %s".formatted(contender.name(), e.getMessage()));
                missing.put(contender.name(), "its image could not be made: " + e.getMessage());
            }
        }
        return ready;
    }

    private static String line(Sample sample) {
        var what = "%s, %s, %s".formatted(sample.system(), sample.workload(), sample.link());
        return sample.succeeded()
                ? "%s: ENTRYPOINT %.2f s, ready %.2f s, %.1f MB until then"
                        .formatted(
                                what,
                                sample.entrypoint(),
                                sample.ready(),
                                sample.atReady().bytes() / 1e6)
                : what + ": " + sample.failure();
    }

    private static void say(String what) {
        System.err.println("bench: " + what);
    }

    /** Samples, in a file that grows with each: what was measured is never lost. */
    private static final class Results {
        private final Path file;
        private final ObjectMapper json;

        Results(Path file, ObjectMapper json) {
            this.file = file;
            this.json = json;
        }

        void clear() throws IOException {
            Files.deleteIfExists(file);
        }

        void add(Sample sample) throws IOException {
            Files.writeString(
                    file, json.writeValueAsString(sample) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }

        List<Sample> all() throws IOException {
            if (!Files.exists(file)) {
                return List.of();
            }
            var samples = new ArrayList<Sample>();
            for (var line : Files.readAllLines(file)) {
                samples.add(json.readValue(line, Sample.class));
            }
            return samples;
        }
    }
}
