package dev.thaw.bench;

import dev.thaw.demo.Child;
import dev.thaw.oci.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/**
 * nydus' snapshotter with nydusd (FUSE, one daemon an image), on images that its own converter and nydus-image made. Its
 * settings are those that its repository ships for that driver, but for the registry's plain HTTP.
 */
final class Nydus extends Peer {
    private final boolean zran;

    /** @param zran leave the layers as they are and only index them */
    Nydus(boolean zran) {
        super(
                zran ? "nydus zran" : "nydus",
                zran ? "nydus-zran" : "nydus",
                "nydus",
                List.of("containerd-nydus-grpc", "nydusd", "nydus-image", "nydus-convert"));
        this.zran = zran;
    }

    @Override
    void make(String image, Reference target, Registry registry, Programs programs, Path work) throws IOException {
        var layout = work.resolve(image);
        // blobs are never changed, so that another name for each will do
        Child.run(List.of("cp", "-al", layout(work, image).toString(), layout.toString()));
        var command = new ArrayList<>(List.of(
                programs.path("nydus-convert"), "-layout=" + layout, "-nydus-image=" + programs.path("nydus-image")));
        if (zran) {
            command.add("-zran");
        }
        Child.run(command);
        registry.push(layout, target);
    }

    @Override
    List<String> command(Programs programs, Path folder, Path socket) throws IOException {
        var daemon = folder.resolve("nydusd.json");
        Files.writeString(daemon, """
                {"device": {
                   "backend": {"type": "registry", "config": {"scheme": "http", "timeout": 5, "connect_timeout": 5, "retry_limit": 2}},
                   "cache": {"type": "blobcache"}},
                 "mode": "direct", "digest_validate": false, "iostats_files": false, "enable_xattr": true, "amplify_io": 1048576,
                 "fs_prefetch": {"enable": true, "threads_count": 8, "merging_size": 1048576, "prefetch_all": true}}
                """);
        var nydusd = folder.resolve("nydusd");
        // it would raise its limit of open files to a million, which not every container may
        Files.writeString(nydusd, "#!/bin/sh\nexec '%s' \"$@\" --rlimit-nofile 0\n".formatted(programs.path("nydusd")));
        Files.setPosixFilePermissions(nydusd, PosixFilePermissions.fromString("rwxr-xr-x"));
        var settings = folder.resolve("nydus.toml");
        Files.writeString(settings, """
                version = 1
                root = '%1$s/root'
                address = '%2$s'
                daemon_mode = 'dedicated'
                [system]
                enable = false
                [daemon]
                nydusd_config = '%3$s'
                nydusd_path = '%4$s'
                nydusimage_path = '%5$s'
                fs_driver = 'fusedev'
                recover_policy = 'none'
                [cgroup]
                enable = false
                [log]
                log_to_stdout = true
                """.formatted(folder, socket, daemon, nydusd, programs.path("nydus-image")));
        return List.of(programs.path("containerd-nydus-grpc"), "--config=" + settings);
    }
}
