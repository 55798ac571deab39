package dev.thaw.operator;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Asks an address whether it is well: the chart's test, in images that have no shell. */
@Command(
        name = "probe",
        description = "Ends with 0 if a GET of the address answers 200 within ten seconds.",
        mixinStandardHelpOptions = true)
final class ProbeCommand implements Callable<Integer> {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final int LONGEST = 300;

    @Parameters(paramLabel = "URL", description = "Address, with http or https.")
    private @Nullable URI address;

    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws InterruptedException {
        var said = address == null ? "no address" : ask(address);
        if (spec != null) {
            spec.commandLine().getOut().println(address + ": " + said);
        }
        return said.startsWith("200") ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
    }

    private static String ask(URI address) throws InterruptedException {
        try (var client = HttpClient.newBuilder().connectTimeout(LIMIT).build()) {
            var answer =
                    client.send(HttpRequest.newBuilder(address).timeout(LIMIT).build(), BodyHandlers.ofString());
            var body = answer.body().strip().replace('\n', ' ');
            return answer.statusCode() + " " + (body.length() <= LONGEST ? body : body.substring(0, LONGEST));
        } catch (IOException | IllegalArgumentException e) {
            return e.getClass().getSimpleName() + (e.getMessage() == null ? "" : ": " + e.getMessage());
        }
    }
}
