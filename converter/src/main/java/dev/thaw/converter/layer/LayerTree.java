package dev.thaw.converter.layer;

import dev.thaw.converter.layer.LayerItem.Attributes;
import dev.thaw.converter.layer.LayerItem.Kind;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.ByteNames;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The names that one layer has made so far, and what they are: enough to resolve paths as containerd does when it unpacks a layer
 * for overlayfs, which is into an empty directory of its own.
 *
 * <ul>
 *   <li>A name is cleaned lexically, absolute names and {@code ..} stay inside the root.
 *   <li>Symbolic links <em>of this layer</em> in a path's parents are followed, inside the root. Those of lower layers are not.
 *   <li>Parents that are missing are made (0755, root) and keep the attributes of a lower layer's directory.
 *   <li>What exists is replaced, unless old and new are directories.
 *   <li>A hard link's target must have come before, in this layer.
 * </ul>
 *
 * <p>Memory: about 100 bytes and the name for each entry of the layer.
 */
final class LayerTree {
    /** As in the kernel and in containerd's resolver, with room to spare: more links than this are a loop. */
    private static final int MAX_LINKS = 255;

    private static final int MAX_NAME_BYTES = 255;
    private static final int MAX_PATH_BYTES = 4095;

    static final Attributes IMPLIED_ATTRIBUTES =
            new Attributes(0755, 0, 0, 0, 0, Collections.unmodifiableSortedMap(new TreeMap<>()));

    private static final class Node {
        final Kind kind;
        /** For links and special files, which hard links to them are copies of. */
        final @Nullable LayerItem item;

        @Nullable Map<String, Node> children;

        Node(Kind kind, @Nullable LayerItem item) {
            this.kind = kind;
            this.item = item;
        }

        @Nullable Node child(String name) {
            return children == null ? null : children.get(name);
        }
    }

    private final Node root = new Node(Kind.DIRECTORY, null);

    /** Where a name of the archive leads. */
    private record Place(List<String> parents, String name) {
        String path() {
            return parents.isEmpty() ? name : String.join("/", parents) + "/" + name;
        }
    }

    /**
     * Resolves the name and makes the parents that are missing, which {@code implied} is told of.
     *
     * @return the resolved path; null if the name leads to the root, which containerd leaves as it is
     */
    @Nullable String place(String rawName, Consumer<LayerItem> implied) throws ConversionException {
        var place = resolve(rawName);
        if (place == null) {
            return null;
        }
        checkLengths(place, rawName);
        var node = root;
        var path = new StringBuilder();
        for (var parent : place.parents) {
            path.append(path.isEmpty() ? "" : "/").append(parent);
            var child = node.child(parent);
            if (child == null) {
                child = new Node(Kind.DIRECTORY, null);
                put(node, parent, child);
                implied.accept(new LayerItem(path.toString(), Kind.DIRECTORY, IMPLIED_ATTRIBUTES, 0, "", 0, 0, true));
            } else if (child.kind != Kind.DIRECTORY) {
                throw unsafe(rawName, "its parent /" + ByteNames.text(path.toString()) + " is not a directory");
            }
            node = child;
        }
        return place.path();
    }

    private static void checkLengths(Place place, String rawName) throws ConversionException {
        long total = place.name.length();
        for (var parent : place.parents) {
            total += parent.length() + 1L;
            checkName(parent, rawName);
        }
        checkName(place.name, rawName);
        if (total > MAX_PATH_BYTES) {
            throw unsafe(rawName, "its path has more than " + MAX_PATH_BYTES + " bytes");
        }
    }

    private static void checkName(String name, String rawName) throws ConversionException {
        if (name.length() > MAX_NAME_BYTES) {
            throw unsafe(rawName, "a part of its path has more than " + MAX_NAME_BYTES + " bytes");
        }
    }

    /** Puts an item at a path that {@link #place} returned, in place of what may be there. */
    void add(LayerItem item) {
        var parent = parentOf(item.path());
        var old = parent.child(item.name());
        if (old != null && old.kind == Kind.DIRECTORY && item.kind() == Kind.DIRECTORY) {
            return;
        }
        var keepsItem = item.kind() != Kind.DIRECTORY && item.kind() != Kind.FILE;
        put(parent, item.name(), new Node(item.kind(), keepsItem ? item : null));
    }

    /** Drops what is at the path, which a new item is about to replace; directories stay for directories. */
    void clear(String path, Kind newKind) {
        var slash = path.lastIndexOf('/');
        var parent = parentOf(path);
        var old = parent.child(path.substring(slash + 1));
        if (old != null && !(old.kind == Kind.DIRECTORY && newKind == Kind.DIRECTORY) && parent.children != null) {
            parent.children.remove(path.substring(slash + 1));
        }
    }

    /**
     * Finds the target of a hard link.
     *
     * @return an item of kind HARD_LINK whose target is resolved; or, if the target is no regular file, the target's own item,
     *     to be repeated under the new name
     */
    LayerItem link(String path, String rawTarget, Attributes attributes) throws ConversionException {
        var place = resolve(rawTarget);
        var target = place == null ? null : find(place);
        if (place == null || target == null) {
            throw new ConversionException(
                    FailureReason.CorruptLayer,
                    "the hard link /" + ByteNames.text(path) + " points to " + ByteNames.text(rawTarget)
                            + ", which the layer does not hold before it");
        }
        if (target.kind == Kind.DIRECTORY) {
            throw unsafe(path, "it is a hard link to the directory " + ByteNames.text(rawTarget));
        }
        var item = target.item;
        if (item == null || item.kind() == Kind.HARD_LINK) {
            return new LayerItem(path, Kind.HARD_LINK, attributes, 0, place.path(), 0, 0, false);
        }
        return new LayerItem(
                path, item.kind(), item.attributes(), 0, item.linkTarget(), item.devMajor(), item.devMinor(), false);
    }

    private @Nullable Node find(Place place) {
        @Nullable Node node = root;
        for (var parent : place.parents) {
            node = node == null ? null : node.child(parent);
        }
        return node == null ? null : node.child(place.name);
    }

    private Node parentOf(String path) {
        var node = root;
        var from = 0;
        for (var slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', from)) {
            var child = node.child(path.substring(from, slash));
            if (child == null) {
                throw new IllegalStateException("no parent for " + ByteNames.text(path));
            }
            node = child;
            from = slash + 1;
        }
        return node;
    }

    private static void put(Node parent, String name, Node child) {
        if (parent.children == null) {
            parent.children = new HashMap<>(4);
        }
        parent.children.put(name, child);
    }

    /** The place that a name of the archive means: cleaned, then its parents' links followed. */
    private @Nullable Place resolve(String rawName) throws ConversionException {
        var components = clean(rawName);
        if (components.isEmpty() || components.getLast().equals("..")) {
            return null;
        }
        var name = components.removeLast();
        return new Place(followLinks(components, rawName), name);
    }

    /** Go's {@code filepath.Clean}, but absolute names become relative; {@code ..} may be left at the front. */
    private static List<String> clean(String rawName) {
        var components = new ArrayList<String>();
        var isAbsolute = rawName.startsWith("/");
        for (var component : rawName.split("/")) {
            switch (component) {
                case "", "." -> {}
                case ".." -> {
                    if (!components.isEmpty() && !components.getLast().equals("..")) {
                        components.removeLast();
                    } else if (!isAbsolute) {
                        components.add("..");
                    }
                }
                default -> components.add(component);
            }
        }
        return components;
    }

    private List<String> followLinks(List<String> components, String rawName) throws ConversionException {
        Deque<String> todo = new ArrayDeque<>(components);
        var done = new ArrayList<String>();
        var nodes = new ArrayList<@Nullable Node>();
        var links = 0;
        while (!todo.isEmpty()) {
            var component = todo.removeFirst();
            if (component.isEmpty() || component.equals(".")) {
                continue;
            }
            if (component.equals("..")) {
                if (!done.isEmpty()) {
                    done.removeLast();
                    nodes.removeLast();
                }
                continue;
            }
            var parent = nodes.isEmpty() ? root : nodes.getLast();
            var node = parent == null ? null : parent.child(component);
            var target = node != null && node.kind == Kind.SYMLINK && node.item != null ? node.item.linkTarget() : null;
            if (target == null) {
                done.add(component);
                nodes.add(node);
                continue;
            }
            if (++links > MAX_LINKS) {
                throw unsafe(rawName, "its path leads through a loop of symbolic links");
            }
            if (target.startsWith("/")) {
                done.clear();
                nodes.clear();
            }
            var parts = Arrays.asList(target.split("/"));
            for (var part : parts.reversed()) {
                todo.addFirst(part);
            }
        }
        return done;
    }

    private static ConversionException unsafe(String rawName, String why) {
        return new ConversionException(
                FailureReason.UnsafeLayer, "entry " + ByteNames.text(rawName) + " cannot be unpacked: " + why);
    }
}
