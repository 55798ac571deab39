package dev.thaw.converter.published;

import dev.thaw.converter.layer.LayerItem;
import dev.thaw.converter.layer.LayerItem.Attributes;
import dev.thaw.converter.layer.LayerItem.Kind;
import dev.thaw.converter.layer.LayerReader;
import dev.thaw.converter.report.StopSignal;
import java.io.IOException;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a container sees of the source: the tree that comes of applying its layers one after the other. Knows nothing of RAFS, and
 * shares no code with the merge of bootstraps; that is the point.
 *
 * <p>Memory: about 200 bytes, the name and the extended attributes for each file. Contents are digested as they stream by.
 */
final class SourceTree {
    /** A file; hard links are several names of one. */
    static final class Node {
        final Kind kind;
        final Attributes attributes;
        final long sizeBytes;
        final String linkTarget;
        final int devMajor;
        final int devMinor;
        final boolean isImplied;
        final byte[] content;
        /** Of a directory: name, one char a byte, to file. */
        final TreeMap<String, Node> children = new TreeMap<>();

        Node(LayerItem item, byte[] content) {
            this.kind = item.kind();
            this.attributes = item.attributes();
            this.sizeBytes = item.sizeBytes();
            this.linkTarget = item.linkTarget();
            this.devMajor = item.devMajor();
            this.devMinor = item.devMinor();
            this.isImplied = item.isImplied();
            this.content = content;
        }

        private Node(Node attributesOf) {
            this.kind = Kind.DIRECTORY;
            this.attributes = attributesOf.attributes;
            this.sizeBytes = 0;
            this.linkTarget = "";
            this.devMajor = 0;
            this.devMinor = 0;
            this.isImplied = attributesOf.isImplied;
            this.content = NO_CONTENT;
        }

        boolean isDirectory() {
            return kind == Kind.DIRECTORY;
        }
    }

    private static final byte[] NO_CONTENT = {};

    private Node root = directory();

    Node root() {
        return root;
    }

    private static Node directory() {
        var attributes = new Attributes(0755, 0, 0, 0, 0, Collections.unmodifiableSortedMap(new TreeMap<>()));
        return new Node(new LayerItem("", Kind.DIRECTORY, attributes, 0, "", 0, 0, false), NO_CONTENT);
    }

    /** One layer's files and deletions, not yet applied to anything. */
    static final class Layer {
        private final Node root = directory();
        /** Directory to the names that it deletes. */
        private final Map<Node, TreeSet<String>> whiteouts = new HashMap<>();

        private final Set<Node> opaque = new HashSet<>();
        private long entries;

        static Layer read(LayerReader reader, int pieceBytes, StopSignal stop) throws IOException {
            var layer = new Layer();
            var digest = new ContentDigest(pieceBytes);
            for (var item = reader.next(); item != null; item = reader.next()) {
                stop.check();
                layer.add(item, item.kind() == Kind.FILE ? digest.of(reader.content()) : NO_CONTENT);
                layer.entries++;
            }
            return layer;
        }

        long entries() {
            return entries;
        }

        private void add(LayerItem item, byte[] content) {
            var directory = find(item.parent());
            switch (item.kind()) {
                case WHITEOUT ->
                    whiteouts
                            .computeIfAbsent(directory, key -> new TreeSet<>())
                            .add(item.name().substring(LayerItem.WHITEOUT_PREFIX.length()));
                case OPAQUE -> opaque.add(directory);
                case HARD_LINK -> directory.children.put(item.name(), find(item.linkTarget()));
                case DIRECTORY -> {
                    var old = directory.children.get(item.name());
                    var node = new Node(item, content);
                    if (old != null && old.isDirectory()) {
                        node.children.putAll(old.children);
                        replace(old, node);
                    }
                    directory.children.put(item.name(), node);
                }
                case FILE, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, FIFO ->
                    directory.children.put(item.name(), new Node(item, content));
            }
        }

        /** What was said of the old directory goes for the new. */
        private void replace(Node old, Node node) {
            var names = whiteouts.remove(old);
            if (names != null) {
                whiteouts.put(node, names);
            }
            if (opaque.remove(old)) {
                opaque.add(node);
            }
        }

        private Node find(String path) {
            var node = root;
            if (!path.isEmpty()) {
                for (var name : path.split("/")) {
                    var child = node.children.get(name);
                    if (child == null) {
                        throw new IllegalStateException("a layer's step leads through a name that it did not make");
                    }
                    node = child;
                }
            }
            return node;
        }
    }

    /** Lays a layer over what is there. */
    void apply(Layer layer) {
        root = merged(root, layer.root, layer);
    }

    /** A directory over a directory, or over nothing. */
    private Node merged(@Nullable Node lower, Node upper, Layer layer) {
        var merged = lower != null && upper.isImplied ? new Node(lower) : new Node(upper);
        if (lower != null && !layer.opaque.contains(upper)) {
            merged.children.putAll(lower.children);
            merged.children.keySet().removeAll(layer.whiteouts.getOrDefault(upper, new TreeSet<>()));
        }
        for (var entry : upper.children.entrySet()) {
            var node = entry.getValue();
            if (node.isDirectory()) {
                var below = merged.children.get(entry.getKey());
                node = merged(below != null && below.isDirectory() ? below : null, node, layer);
            }
            merged.children.put(entry.getKey(), node);
        }
        return merged;
    }
}
