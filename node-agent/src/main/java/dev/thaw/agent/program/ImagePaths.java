package dev.thaw.agent.program;

import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.CorruptImageException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/** Finds files by path as a process in the image would, symlinks included, and never above the image's root. */
public final class ImagePaths {
    /** As many as Linux follows. */
    private static final int MOST_LINKS = 40;

    private final Bootstrap bootstrap;

    public ImagePaths(Bootstrap bootstrap) {
        this.bootstrap = bootstrap;
    }

    /**
     * A file that is there.
     *
     * @param path absolute and without symlinks
     */
    public record Found(String path, long nid) {}

    /** The file at that path; none where there is none, or a link leads nowhere. */
    public Optional<Found> find(String path) throws CorruptImageException {
        Deque<String> todo = new ArrayDeque<>();
        push(todo, path);
        Deque<Found> at = new ArrayDeque<>();
        at.push(new Found("", bootstrap.rootNid()));
        int links = 0;
        while (!todo.isEmpty()) {
            var part = todo.pop();
            if (part.equals("..")) {
                if (at.size() > 1) {
                    at.pop();
                }
                continue;
            }
            var directory = at.getFirst();
            if (!bootstrap.inode(directory.nid).isDirectory()) {
                return Optional.empty();
            }
            var child = bootstrap.lookup(directory.nid, part.getBytes(StandardCharsets.UTF_8));
            if (child.isEmpty()) {
                return Optional.empty();
            }
            if (bootstrap.inode(child.getAsLong()).isSymlink()) {
                if (++links > MOST_LINKS) {
                    return Optional.empty();
                }
                var target = new String(bootstrap.symlinkTarget(child.getAsLong()), StandardCharsets.UTF_8);
                if (target.startsWith("/")) {
                    while (at.size() > 1) {
                        at.pop();
                    }
                }
                push(todo, target);
            } else {
                at.push(new Found(directory.path + "/" + part, child.getAsLong()));
            }
        }
        return Optional.of(at.getFirst());
    }

    private static void push(Deque<String> todo, String path) {
        var parts = path.split("/", -1);
        for (int i = parts.length - 1; i >= 0; i--) {
            if (!parts[i].isEmpty() && !parts[i].equals(".")) {
                todo.push(parts[i]);
            }
        }
    }
}
