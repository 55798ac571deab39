package dev.thaw.agent.program;

import dev.thaw.agent.AgentException.ReadFailed;
import dev.thaw.agent.fetch.LazyBlob;
import dev.thaw.agent.program.ImagePaths.Found;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.CorruptImageException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The files without which a program does not start: itself, the interpreter of a script, the loader, and all libraries that
 * these name, found as the loader finds them. They come in rounds, since a library's needs are known only once it is here.
 */
public final class ProgramFiles {
    private static final int MOST_FILES = 512;
    private static final int MOST_CACHE_BYTES = 1 << 20;
    private static final int LONGEST_SHEBANG = 256;
    private static final String ORIGIN = "ORIGIN";

    /** Where loaders look that have no cache, or do not find there what they look for. */
    private static final List<String> USUAL_FOLDERS = List.of(
            "/lib64",
            "/usr/lib64",
            "/lib",
            "/usr/lib",
            "/usr/local/lib",
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib/aarch64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu");

    private final Bootstrap bootstrap;
    private final List<LazyBlob> blobs;
    private final ImagePaths paths;
    private final Entrypoint entrypoint;
    private final Map<String, String> cache;
    private final Set<Long> known = new HashSet<>();

    /** Takes in the files of one round; whoever does so sees to it that they are here when it returns. */
    @FunctionalInterface
    public interface Round {
        void fetch(List<ImageFile> files) throws CorruptImageException, InterruptedException;
    }

    public ProgramFiles(Bootstrap bootstrap, List<LazyBlob> blobs, Entrypoint entrypoint)
            throws CorruptImageException, ReadFailed, InterruptedException {
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.entrypoint = entrypoint;
        paths = new ImagePaths(bootstrap);
        var file = find("/etc/ld.so.cache");
        cache = file.isEmpty() ? Map.of() : LoaderCache.paths(open(file.get()).read(0, MOST_CACHE_BYTES));
    }

    /** Finds all of them, round by round. */
    public void fetch(Round round) throws CorruptImageException, ReadFailed, InterruptedException {
        var program = entrypoint.program().flatMap(this::program);
        var files = program.stream().toList();
        while (!files.isEmpty()) {
            var fresh = new ArrayList<Found>();
            for (var file : files) {
                if (known.size() < MOST_FILES && known.add(file.nid())) {
                    fresh.add(file);
                }
            }
            var opened = new ArrayList<ImageFile>();
            for (var file : fresh) {
                opened.add(open(file));
            }
            round.fetch(opened);
            var next = new ArrayList<Found>();
            for (int i = 0; i < fresh.size(); i++) {
                next.addAll(needs(fresh.get(i), opened.get(i)));
            }
            files = next;
        }
    }

    private List<Found> needs(Found at, ImageFile file) throws CorruptImageException, ReadFailed, InterruptedException {
        var head = new byte[(int) Math.min(LONGEST_SHEBANG, file.sizeBytes())];
        var begin = file.read(0, head.length);
        if (begin.remaining() < head.length) {
            return List.of();
        }
        begin.get(head);
        if (head.length > 2 && head[0] == '#' && head[1] == '!') {
            return interpreters(new String(head, 2, head.length - 2, StandardCharsets.UTF_8));
        }
        var program = ElfProgram.of(file);
        var found = new ArrayList<Found>();
        program.interpreter().flatMap(this::find).ifPresent(found::add);
        for (var name : program.needed()) {
            library(name, at, program.searched()).ifPresent(found::add);
        }
        return found;
    }

    /** {@code #!interpreter}, and what {@code env} is told to run. */
    private List<Found> interpreters(String line) {
        var words = line.lines().findFirst().orElse("").strip().split("\\s+", -1);
        var found = new ArrayList<Found>();
        find(words[0]).ifPresent(found::add);
        if (words[0].endsWith("/env")) {
            Stream.of(words)
                    .skip(1)
                    .filter(word -> !word.startsWith("-") && !word.contains("="))
                    .findFirst()
                    .flatMap(this::program)
                    .ifPresent(found::add);
        }
        return found;
    }

    private Optional<Found> program(String name) {
        if (name.startsWith("/")) {
            return find(name);
        }
        if (name.contains("/")) {
            return find(entrypoint.directory() + "/" + name);
        }
        return first(entrypoint.searched().stream().map(folder -> folder + "/" + name));
    }

    private Optional<Found> library(String name, Found user, List<String> searched) {
        if (name.contains("/")) {
            return find(name);
        }
        var origin = user.path().substring(0, user.path().lastIndexOf('/'));
        var own = Stream.concat(searched.stream(), entrypoint.libraries().stream())
                .filter(folder -> !folder.isEmpty())
                .map(folder -> folder.replace("${" + ORIGIN + "}", origin).replace("$" + ORIGIN, origin))
                .map(folder -> folder + "/" + name);
        var cached = Stream.ofNullable(cache.get(name));
        var usual = USUAL_FOLDERS.stream().map(folder -> folder + "/" + name);
        return first(Stream.of(own, cached, usual).flatMap(candidates -> candidates));
    }

    private Optional<Found> first(Stream<String> candidates) {
        return candidates.flatMap(path -> find(path).stream()).findFirst();
    }

    private Optional<Found> find(String path) {
        try {
            var found = paths.find(path);
            return found.isPresent() && bootstrap.inode(found.get().nid()).isRegular() ? found : Optional.empty();
        } catch (CorruptImageException e) {
            return Optional.empty(); // whoever reads it will be told
        }
    }

    private ImageFile open(Found file) throws CorruptImageException {
        return new ImageFile(bootstrap, blobs, file.nid());
    }
}
