package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** containerd's stargz snapshotter with eStargz images, as {@code ctr-remote images convert --estargz} makes them. */
final class Stargz implements Contender {
    @Override
    public String name() {
        return "stargz";
    }

    private static Reference tagged(Reference image) {
        return image.withTag("estargz");
    }

    @Override
    public Optional<String> missing(Programs programs) {
        return programs.missing("containerd-stargz-grpc", "ctr-remote");
    }

    @Override
    public void publish(String image, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException {
        var source = Registry.direct(image);
        var target = tagged(source);
        if (registry.has(target)) {
            return;
        }
        var folder = Files.createDirectories(work.resolve("stargz"));
        var socket = folder.resolve("containerd.sock");
        try (var containerd = containerd(programs, folder, socket)) {
            containerd.awaitFile(socket);
            for (var step : List.of(
                    List.of("ctr", "images", "pull", "--local", "--plain-http", source.toString()),
                    List.of(
                            "ctr-remote",
                            "images",
                            "convert",
                            "--estargz",
                            "--oci",
                            source.toString(),
                            target.toString()),
                    List.of("ctr", "images", "push", "--local", "--plain-http", target.toString()))) {
                var command = new ArrayList<>(List.of(programs.path(step.getFirst()), "--address=" + socket));
                command.addAll(step.subList(1, step.size()));
                Child.run(command);
            }
        }
    }

    private static Child containerd(Programs programs, Path folder, Path socket) throws IOException {
        var settings = folder.resolve("containerd.toml");
        Files.writeString(settings, """
                version = 3
                root = '%1$s/root'
                state = '%1$s/state'
                disabled_plugins = ['io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri', 'io.containerd.nri.v1.nri']
                [grpc]
                  address = '%2$s'
                [plugins.'io.containerd.internal.v1.opt']
                  path = '%1$s/opt'
                """.formatted(folder, socket));
        return Child.start(
                "containerd",
                List.of(programs.path("containerd"), "--config", settings.toString()),
                Map.of("PATH", programs.searchPath()),
                folder.resolve("containerd.log"));
    }

    @Override
    public String reference(String image) {
        return tagged(Registry.linked(image)).toString();
    }

    @Override
    public Optional<Snapshotter> snapshotter(String image) {
        return Optional.of(new Daemon());
    }

    private record Daemon() implements Snapshotter {
        @Override
        public String name() {
            return "stargz";
        }

        @Override
        public List<Child> start(Programs programs, Path folder, Path socket, Path containerd)
                throws IOException, InterruptedException {
            var daemon = Child.start(
                    "containerd-stargz-grpc",
                    List.of(
                            programs.path("containerd-stargz-grpc"),
                            "-address=" + socket,
                            "-root=" + folder.resolve("root")),
                    Map.of(),
                    folder.resolve("stargz.log"));
            daemon.awaitFile(socket);
            return List.of(daemon);
        }
    }
}
