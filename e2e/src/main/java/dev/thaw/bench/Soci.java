package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** AWS' SOCI snapshotter, reading lazily, with images of its second manifest form, which {@code soci convert} makes. */
final class Soci extends Peer {
    Soci() {
        super("SOCI", "soci", "soci", List.of("soci", "soci-snapshotter-grpc"));
    }

    @Override
    void make(String image, Reference target, Registry registry, Programs programs, Path work) throws IOException {
        var converted = work.resolve(image);
        Child.run(List.of(
                programs.path("soci"),
                "--root=" + work.resolve("root"),
                "convert",
                "--standalone",
                "--format=oci-dir",
                layout(work, image).toString(),
                converted.toString()));
        registry.push(converted, target);
    }

    @Override
    List<String> command(Programs programs, Path folder, Path socket) throws IOException {
        var settings = folder.resolve("soci.toml");
        Files.writeString(settings, "");
        return List.of(
                programs.path("soci-snapshotter-grpc"),
                "--address=" + socket,
                "--root=" + folder.resolve("root"),
                "--config=" + settings);
    }
}
