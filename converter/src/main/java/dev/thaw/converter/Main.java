package dev.thaw.converter;

import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.StopSignal;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ScopeType;

/** The command line {@code thaw-converter}. Exit codes: 0 done, 1 failed, 2 wrong usage. */
@Command(
        name = "thaw-converter",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        description = "Makes container images start before they are downloaded: converts them to lazy images, shows and"
                + " checks those.",
        scope = ScopeType.INHERIT,
        subcommands = {ConvertCommand.class, InspectCommand.class, CheckCommand.class, RehearseCommand.class})
public final class Main {
    /** How long a stop waits for uploads to be taken back. */
    private static final Duration CLEANUP = Duration.ofSeconds(20);

    private Main() {}

    public static void main(String[] arguments) {
        var stop = new StopSignal();
        var worker = Thread.currentThread();
        stop.watch(worker);
        Runtime.getRuntime()
                .addShutdownHook(Thread.ofPlatform().name("stop").unstarted(() -> stopAndWait(stop, worker)));
        var exitCode = commandLine(stop, System.out, System.err).execute(arguments);
        stop.finish();
        if (!stop.isStopped()) { // else the machine is going down already, and exit would wait for itself
            System.exit(exitCode);
        }
    }

    /** Runs when the process is told to end (SIGTERM, SIGINT): the work ends first, and says so. */
    private static void stopAndWait(StopSignal stop, Thread worker) {
        if (stop.isFinished()) {
            return;
        }
        stop.stop("a signal to end (SIGTERM)");
        try {
            if (!stop.awaitFinish(CLEANUP)) {
                System.err.println("thaw-converter: unfinished uploads are left to the registry's own cleaning");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The command line with its streams; apart from {@link #main} so that tests can run it. */
    static CommandLine commandLine(StopSignal stop, PrintStream out, PrintStream err) {
        var console = new Console(out, err, stop);
        var commandLine = new CommandLine(Main.class, new Commands(console));
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
        commandLine.setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
        commandLine.setExecutionExceptionHandler((failure, command, parsed) -> {
            console.fail(ConversionException.of(failure), null);
            return CommandLine.ExitCode.SOFTWARE;
        });
        return commandLine;
    }

    /** The version that the build wrote into the jar. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            var version = Main.class.getPackage().getImplementationVersion();
            return new String[] {"thaw-converter " + (version == null ? "(unpacked)" : version)};
        }
    }

    /** Makes commands and gives them the console. */
    private record Commands(Console console) implements CommandLine.IFactory {
        @Override
        public <K> K create(Class<K> type) throws Exception {
            if (type == Main.class) {
                return type.cast(new Main());
            }
            if (type == ConvertCommand.class) {
                return type.cast(new ConvertCommand(console));
            }
            if (type == InspectCommand.class) {
                return type.cast(new InspectCommand(console));
            }
            if (type == CheckCommand.class) {
                return type.cast(new CheckCommand(console));
            }
            return CommandLine.defaultFactory().create(type);
        }
    }
}
