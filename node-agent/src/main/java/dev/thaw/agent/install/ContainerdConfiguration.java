package dev.thaw.agent.install;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlTable;

/**
 * What containerd is told by its configuration file and the files that it imports. Version 2 is containerd 1.x's form,
 * which 2.x reads too; version 3 is 2.x's own.
 *
 * @param imports directories of glob imports that exist, such as {@code /etc/containerd/conf.d}
 */
record ContainerdConfiguration(Path path, long version, TomlTable main, List<TomlTable> imported, List<Path> imports) {
    private static final List<String> RUNTIMES_V2 =
            List.of("plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes");
    private static final List<String> RUNTIMES_V3 =
            List.of("plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes");
    private static final List<String> SNAPSHOTTER_V2 =
            List.of("plugins", "io.containerd.grpc.v1.cri", "containerd", "snapshotter");
    private static final List<String> SNAPSHOTTER_V3 = List.of("plugins", "io.containerd.cri.v1.images", "snapshotter");
    private static final List<String> UNPACK_CONFIG =
            List.of("plugins", "io.containerd.transfer.v1.local", "unpack_config");

    /** The name of our own file among the imported ones. */
    static final String DROP_IN = "thaw.toml";

    /** The version that every containerd since 1.4 reads, for a file that is yet to be written. */
    static final long OLDEST_VERSION = 2;

    /**
     * @throws IOException when a file cannot be read or is not TOML, or the version is one that no containerd still
     *     reads
     */
    static ContainerdConfiguration read(Path path, byte[] content) throws IOException {
        var main = parse(path, content);
        long version = content.length == 0 ? OLDEST_VERSION : longAt(main, "version");
        if (version != 2 && version != 3) {
            throw new IOException(
                    "%s has configuration version %d; Thaw knows 2 and 3: bring it up with `containerd config migrate`"
                            .formatted(path, version));
        }
        var imported = new ArrayList<TomlTable>();
        var directories = new ArrayList<Path>();
        var globs = main.getArray(List.of("imports"));
        for (int i = 0; globs != null && i < globs.size(); i++) {
            if (globs.get(i) instanceof String glob) {
                var pattern = path.toAbsolutePath().resolveSibling(glob).normalize();
                var directory = pattern.getParent();
                if (directory == null || !Files.isDirectory(directory)) {
                    continue;
                }
                if (glob.endsWith("/*.toml")) {
                    directories.add(directory);
                }
                for (var file : matching(directory, pattern)) {
                    imported.add(parse(file, Files.readAllBytes(file)));
                }
            }
        }
        return new ContainerdConfiguration(path, version, main, List.copyOf(imported), List.copyOf(directories));
    }

    private static List<Path> matching(Path directory, Path pattern) throws IOException {
        var matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
        try (var files = Files.list(directory)) {
            return files.filter(matcher::matches)
                    .filter(Files::isRegularFile)
                    .filter(file -> !file.endsWith(DROP_IN)) // what we wrote says nothing of what the site has
                    .sorted()
                    .toList();
        }
    }

    static TomlParseResult parse(Path path, byte[] content) throws IOException {
        var parsed = Toml.parse(new String(content, StandardCharsets.UTF_8));
        if (parsed.hasErrors()) {
            throw new IOException("%s is not TOML: %s"
                    .formatted(path, parsed.errors().getFirst().toString()));
        }
        return parsed;
    }

    private static long longAt(TomlTable table, String key) {
        var value = table.getLong(List.of(key));
        return value == null ? 1 : value; // a file that says nothing is of containerd's first form
    }

    /** The table of a runtime handler such as {@code runc}, in whatever file it stands; the last one wins, as in containerd. */
    Optional<TomlTable> runtime(String handler) {
        TomlTable found = null;
        for (var file : files()) {
            for (var runtimes : List.of(RUNTIMES_V2, RUNTIMES_V3)) {
                if (at(file, with(runtimes, handler)) instanceof TomlTable table) {
                    found = table;
                }
            }
        }
        return Optional.ofNullable(found);
    }

    /** The snapshotter of pods that ask for none. */
    String defaultSnapshotter() {
        var found = "overlayfs";
        for (var file : files()) {
            for (var key : List.of(SNAPSHOTTER_V2, SNAPSHOTTER_V3)) {
                if (at(file, key) instanceof String name && !name.isEmpty()) {
                    found = name;
                }
            }
        }
        return found;
    }

    /** Whether the transfer service is told what it may unpack for; its default goes as soon as it is. */
    boolean hasUnpackConfig() {
        return files().stream().anyMatch(file -> at(file, UNPACK_CONFIG) instanceof TomlArray);
    }

    /** Where a handler's table is written in a file of this version. */
    List<String> runtimePath(String handler) {
        return with(version == 3 ? RUNTIMES_V3 : RUNTIMES_V2, handler);
    }

    private List<TomlTable> files() {
        var files = new ArrayList<TomlTable>();
        files.add(main);
        files.addAll(imported);
        return files;
    }

    private static @Nullable Object at(TomlTable table, List<String> path) {
        Object here = table;
        for (var key : path) {
            if (!(here instanceof TomlTable inner)) {
                return null;
            }
            here = inner.get(List.of(key));
        }
        return here;
    }

    private static List<String> with(List<String> path, String last) {
        var whole = new ArrayList<>(path);
        whole.add(last);
        return List.copyOf(whole);
    }
}
