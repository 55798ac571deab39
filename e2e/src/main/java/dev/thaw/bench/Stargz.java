package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** containerd's stargz snapshotter with eStargz images, as {@code ctr-remote images convert --estargz} makes them. */
final class Stargz extends Peer {
    Stargz() {
        super("stargz", "estargz", "stargz", List.of("containerd-stargz-grpc", "ctr-remote"));
    }

    @Override
    void make(String image, Reference target, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException {
        var source = Registry.direct(image);
        var socket = work.resolve("containerd.sock");
        try (var containerd = containerd(programs, work, socket)) {
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
    List<String> command(Programs programs, Path folder, Path socket) {
        return List.of(
                programs.path("containerd-stargz-grpc"), "-address=" + socket, "-root=" + folder.resolve("root"));
    }
}
