package dev.thaw.rafs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A nydusd that serves one image by FUSE, from blobs in a directory, and checks every chunk that it reads. */
final class Nydusd implements AutoCloseable {
    private static final long LONGEST_NANOS = TimeUnit.MINUTES.toNanos(2);
    private static final int MNT_DETACH = 2;

    private final Process process;
    private final Path mountPoint;
    private final Path log;

    private Nydusd(Process process, Path mountPoint, Path log) {
        this.process = process;
        this.mountPoint = mountPoint;
        this.log = log;
    }

    /** @param work keeps nydusd's cache, so that a second one in the same directory finds that of the first */
    static Nydusd mount(Path bootstrap, Path blobs, Path work) throws Exception {
        var mountPoint = Files.createDirectories(work.resolve("mnt"));
        var cache = Files.createDirectories(work.resolve("cache"));
        var config = work.resolve("config.json");
        Files.writeString(config, """
            {"device": {"backend": {"type": "localfs", "config": {"dir": "%s"}},
                        "cache": {"type": "blobcache", "validate": true, "config": {"work_dir": "%s"}}},
             "mode": "direct", "enable_xattr": true, "iostats_files": false}
            """.formatted(blobs, cache));
        var log = work.resolve("log");
        var process = new ProcessBuilder(List.of(
                        Peers.require("nydusd"),
                        "fuse",
                        "--bootstrap",
                        bootstrap.toString(),
                        "--config",
                        config.toString(),
                        "--mountpoint",
                        mountPoint.toString(),
                        "--rlimit-nofile",
                        "0",
                        "--log-level",
                        "warn"))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        var nydusd = new Nydusd(process, mountPoint, log);
        try {
            nydusd.awaitMount();
        } catch (Throwable e) {
            nydusd.close();
            throw e;
        }
        return nydusd;
    }

    private void awaitMount() throws Exception {
        long end = System.nanoTime() + LONGEST_NANOS;
        while (!isMounted()) {
            if (!process.isAlive() || System.nanoTime() > end) {
                throw new IOException("nydusd does not mount: " + Files.readString(log, StandardCharsets.ISO_8859_1));
            }
            Thread.sleep(20);
        }
    }

    private boolean isMounted() throws IOException {
        return Files.readString(Path.of("/proc/self/mounts")).contains(" " + mountPoint + " ");
    }

    Map<String, Seen> tree() throws IOException {
        return Linux.tree(mountPoint.toString());
    }

    @Override
    public void close() throws Exception {
        process.destroy();
        if (!process.waitFor(1, TimeUnit.MINUTES)) {
            process.destroyForcibly().waitFor();
        }
        if (isMounted()) {
            Linux.unmount(mountPoint.toString(), MNT_DETACH);
        }
    }
}
