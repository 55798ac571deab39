package dev.thaw.operator;

import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The operator's command line. */
@Command(
        name = "thaw-operator",
        description = "Makes container images start before they are downloaded.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        subcommands = {RunCommand.class, DrainCommand.class, ProbeCommand.class})
public final class Main implements Runnable {
    public static void main(String[] args) {
        // the JDK's server limits a client that is slow to say what it wants only when told to, and before it is loaded
        System.setProperty("sun.net.httpserver.maxReqTime", "10");
        System.setProperty("sun.net.httpserver.maxRspTime", "30");
        System.exit(commandLine().execute(args.length == 0 ? new String[] {"run"} : args));
    }

    static CommandLine commandLine() {
        var line = new CommandLine(new Main());
        Optional.ofNullable(line.getSubcommands().get("run")).ifPresent(RunCommand::describeSettings);
        return line;
    }

    /** Only options of the program itself were given, and they have been dealt with. */
    @Override
    public void run() {}

    /** The version in the jar's manifest. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            var version = Main.class.getPackage().getImplementationVersion();
            return new String[] {"thaw-operator " + (version == null ? "(not packaged)" : version)};
        }
    }
}
