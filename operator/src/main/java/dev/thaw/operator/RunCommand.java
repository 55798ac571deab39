package dev.thaw.operator;

import dev.thaw.operator.rollout.Apply;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Runs the operator until it is told to end. */
@Command(
        name = "run",
        description = "Runs the operator. This is what happens without a command.",
        mixinStandardHelpOptions = true)
final class RunCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(RunCommand.class);

    /** The API server may still send requests while it learns that this pod is going. */
    private static final Duration LAST_REQUESTS = Duration.ofSeconds(3);

    /** Puts the environment variables into the help text. */
    static void describeSettings(CommandLine command) {
        command.getCommandSpec()
                .usageMessage()
                .footer(Stream.concat(
                                Stream.of("", "Settings, from the environment:"),
                                Arrays.stream(Setting.values()).map(Setting::line))
                        .flatMap(String::lines)
                        .map(line -> line.replace("%", "%%"))
                        .toArray(String[]::new));
    }

    @Override
    public Integer call() throws Exception {
        Settings settings;
        try {
            settings = Settings.of(System.getenv());
        } catch (InvalidSettings e) {
            LOG.error("The settings are wrong: {}", e.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        var ended = new CountDownLatch(1);
        try (var client = new KubernetesClientBuilder().build();
                var program = new OperatorProgram(
                        settings, client, Apply.serverSide(client), adjustment -> {}, ended::countDown)) {
            var ending = new Thread(() -> end(program, ended), "ending");
            Runtime.getRuntime().addShutdownHook(ending);
            program.start();
            ended.await();
            return CommandLine.ExitCode.SOFTWARE;
        }
    }

    private static void end(OperatorProgram program, CountDownLatch ended) {
        if (ended.getCount() == 0) {
            return;
        }
        try {
            LOG.info("Ending");
            program.retire();
            Thread.sleep(LAST_REQUESTS);
            program.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
