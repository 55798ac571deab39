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

    /** Gives a new regular file its content. */
    interface Filling {
        void fill(TreeNode file) throws IOException;
    }

    /** Adds an entry; the content of a regular file is for the caller to fill in. */
    void add(LayerEntry entry, Filling content) throws IOException {
        String name = entry.pathText();
        switch (entry.kind()) {
            case DIRECTORY -> putDirectory(entry.path(), attributes(entry, 0));
            case FILE -> {
                var file = TreeNode.of(attributes(entry, 0));
                content.fill(file);
                put(entry.path(), file);
            }
            case HARD_LINK -> link(entry.path(), entry.linkTarget());
            case SYMLINK -> {
                checkTarget(name, entry.linkTarget());
                put(entry.path(), TreeNode.symlink(attributes(entry, 0), entry.linkTarget()));
            }
            case CHARACTER_DEVICE, BLOCK_DEVICE -> {
                checkDevice(name, entry.devMajor(), entry.devMinor());
                int rdev = Inode.rdev(entry.devMajor(), entry.devMinor());
                put(entry.path(), TreeNode.of(attributes(entry, rdev)));
            }
            case FIFO, SOCKET -> put(entry.path(), TreeNode.of(attributes(entry, 0)));
        }
    }

    private static TreeNode.Attributes attributes(LayerEntry entry, int rdev) throws IOException {
        if (!Inode.areNanos(entry.mtimeNanos())) {
            throw new IOException(entry.pathText() + ": " + entry.mtimeNanos() + " nanoseconds are out of range");
        }
        return new TreeNode.Attributes(
                entry.kind().typeBits() | (entry.mode() & 07777),
                entry.uid(),
                entry.gid(),
                entry.mtimeSeconds(),
                entry.mtimeNanos(),
                rdev,
                XattrArea.storable(entry.xattrs(), entry.pathText()));
    }

    private static void checkTarget(String name, byte[] target) throws IOException {
        if (target.length == 0 || target.length > InodeLayout.MAX_SYMLINK_BYTES) {
            throw new IOException(name + ": symlink target of " + target.length + " bytes; 1 to "
                    + InodeLayout.MAX_SYMLINK_BYTES + " can be stored");
        }
        for (byte b : target) {
            if (b == 0) {
                throw new IOException(name + ": symlink target holds a NUL byte");
            }
        }
    }

    private static void checkDevice(String name, int major, int minor) throws IOException {
        if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
            throw new IOException(name + ": device " + major + ":" + minor + " has no number in Linux");
        }
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
