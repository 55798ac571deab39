package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** AWS' SOCI snapshotter, reading lazily, with images of its second manifest form, which {@code soci convert} makes. */
final class Soci implements Contender {
    @Override
    public String name() {
        return "SOCI";
    }

    private static Reference tagged(Reference image) {
        return image.withTag("soci");
    }

    @Override
    public Optional<String> missing(Programs programs) {
        return programs.missing("soci", "soci-snapshotter-grpc");
    }

    @Override
    public void publish(String image, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException {
        var target = tagged(Registry.direct(image));
        if (registry.has(target)) {
            return;
        }
        var folder = Files.createDirectories(work.resolve("soci"));
        var converted = folder.resolve(image);
        Child.run(List.of(
                programs.path("soci"),
                "--root=" + folder.resolve("root"),
                "convert",
                "--standalone",
                "--format=oci-dir",
                work.resolveSibling("layouts").resolve(image).toString(),
                converted.toString()));
        registry.push(converted, target);
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
            return "soci";
        }

        @Override
        public List<Child> start(Programs programs, Path folder, Path socket, Path containerd)
                throws IOException, InterruptedException {
            var settings = folder.resolve("soci.toml");
            Files.writeString(settings, "");
            var daemon = Child.start(
                    "soci-snapshotter-grpc",
                    List.of(
                            programs.path("soci-snapshotter-grpc"),
                            "--address=" + socket,
                            "--root=" + folder.resolve("root"),
                            "--config=" + settings),
                    Map.of(),
                    folder.resolve("soci.log"));
            daemon.awaitFile(socket);
            return List.of(daemon);
        }
    }
}
