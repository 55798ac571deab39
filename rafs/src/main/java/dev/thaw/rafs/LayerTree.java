package dev.thaw.rafs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tree that the entries of one layer make. It follows what containerd does when it unpacks a layer: later entries replace
 * earlier ones, a directory entry over a directory only changes its attributes, missing parents are made, and parents that are
 * symlinks of the same layer are followed without leaving the root.
 */
final class LayerTree {
    private static final int MAX_LINKS = 255;

    private final TreeNode root = TreeNode.impliedDirectory();

    TreeNode root() {
        return root;
    }

    /** Puts a file that is not a directory at a path. */
    void put(byte[] path, TreeNode node) throws IOException {
        if (path.length == 0) {
            throw new IOException("the root of a layer must be a directory");
        }
        var place = place(path, true);
        if (place == null) {
            throw new IllegalStateException("parents are made");
        }
        place.directory.children().put(place.name, node);
    }

    /** Makes a directory, or gives an existing one new attributes. */
    void putDirectory(byte[] path, TreeNode.Attributes attributes) throws IOException {
        if (path.length == 0) {
            root.setAttributes(attributes);
            return;
        }
        var place = place(path, true);
        if (place == null) {
            throw new IllegalStateException("parents are made");
        }
        var existing = place.directory.children().get(place.name);
        if (existing != null && existing.isDirectory()) {
            existing.setAttributes(attributes);
        } else {
            place.directory.children().put(place.name, TreeNode.of(attributes));
        }
    }

    /** Gives the file at {@code target} one more name. Special files and symlinks are doubled, as nydus does. */
    void link(byte[] path, byte[] target) throws IOException {
        var place = target.length == 0 ? null : place(target, false);
        var node = place == null ? null : place.directory.children().get(place.name);
        if (node == null) {
            throw new IOException(
                    text(path) + " is a hard link to " + text(target) + ", which this layer does not have");
        }
        if (node.isDirectory()) {
            throw new IOException(text(path) + " is a hard link to the directory " + text(target));
        }
        put(path, node.isRegular() ? node : node.twin());
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Place(TreeNode directory, byte[] name) {}

    /** Finds the directory of a path's last part; null if it is missing and not to be made. */
    private @Nullable Place place(byte[] path, boolean make) throws IOException {
        var parts = new ArrayDeque<byte[]>(split(path, path));
        byte[] name = parts.removeLast();
        var above = new ArrayDeque<TreeNode>();
        var at = root;
        int links = 0;
        while (!parts.isEmpty()) {
            byte[] part = parts.removeFirst();
            if (isDots(part, 1)) {
                continue;
            }
            if (isDots(part, 2)) {
                at = above.isEmpty() ? root : above.removeLast();
                continue;
            }
            var child = at.children().get(part);
            if (child == null && !make) {
                return null;
            }
            if (child == null) {
                check(part, path);
                child = TreeNode.impliedDirectory();
                at.children().put(part, child);
            }
            if (child.isSymlink()) {
                if (++links > MAX_LINKS) {
                    throw new IOException(text(path) + " runs through more than " + MAX_LINKS + " symlinks");
                }
                if (child.symlinkTarget()[0] == '/') {
                    above.clear();
                    at = root;
                }
                prepend(parts, child.symlinkTarget());
                continue;
            }
            if (!child.isDirectory()) {
                throw new IOException(text(path) + " lies below a file that is not a directory");
            }
            above.addLast(at);
            at = child;
        }
        return new Place(at, name);
    }

    private static void prepend(Deque<byte[]> parts, byte[] target) {
        var inserted = new ArrayList<byte[]>();
        int start = 0;
        for (int i = 0; i <= target.length; i++) {
            if (i == target.length || target[i] == '/') {
                if (i > start) {
                    inserted.add(Arrays.copyOfRange(target, start, i));
                }
                start = i + 1;
            }
        }
        for (byte[] part : inserted.reversed()) {
            parts.addFirst(part);
        }
    }

    private static List<byte[]> split(byte[] path, byte[] whole) throws IOException {
        var parts = new ArrayList<byte[]>();
        int start = 0;
        for (int i = 0; i <= path.length; i++) {
            if (i == path.length || path[i] == '/') {
                byte[] part = Arrays.copyOfRange(path, start, i);
                check(part, whole);
                parts.add(part);
                start = i + 1;
            }
        }
        return parts;
    }

    private static void check(byte[] part, byte[] path) throws IOException {
        if (part.length == 0 || isDots(part, 1) || isDots(part, 2)) {
            throw new IOException("path " + text(path) + " is not clean: it has an empty part, . or ..");
        }
        if (part.length > Directory.MAX_NAME_BYTES) {
            throw new IOException(
                    "path " + text(path) + " has a name of " + part.length + " bytes; at most 255 can be stored");
        }
        for (byte b : part) {
            if (b == 0) {
                throw new IOException("path " + text(path) + " holds a NUL byte");
            }
        }
    }

    private static boolean isDots(byte[] part, int count) {
        return part.length == count && part[0] == '.' && part[count - 1] == '.';
    }

    private static String text(byte[] path) {
        return "/" + new String(path, StandardCharsets.UTF_8);
    }
}
