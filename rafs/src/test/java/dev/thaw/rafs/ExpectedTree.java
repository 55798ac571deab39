package dev.thaw.rafs;

import dev.thaw.rafs.LayerEntry.Kind;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The tree that layers make, worked out in the simplest way that can be thought of: a map from path to file. It knows nothing of
 * the format and shares no code with it. Paths must not run through symlinks.
 */
public final class ExpectedTree {
    private static final Item IMPLIED = Item.directory("").mtime(0, 0);

    /** By path; the same object at several paths is a hard link. The root is "". */
    private final TreeMap<String, Item> files = new TreeMap<>();

    private ExpectedTree() {
        files.put("", IMPLIED);
    }

    /** One layer as it stands, whiteouts being files. */
    static Map<String, Seen> ofLayer(List<Item> items) {
        var tree = new ExpectedTree();
        tree.fill(items);
        return tree.seen();
    }

    /** All layers on top of each other, lowest first. */
    public static Map<String, Seen> ofImage(List<List<Item>> layers) {
        var tree = new ExpectedTree();
        for (var items : layers) {
            var layer = new ExpectedTree();
            layer.fill(items);
            tree.apply(layer);
        }
        return tree.seen();
    }

    private void fill(List<Item> items) {
        for (var item : items) {
            String path = item.path();
            for (String parent = parent(path); !path.isEmpty(); parent = parent(parent)) {
                files.putIfAbsent(parent, IMPLIED);
                if (parent.isEmpty()) {
                    break;
                }
            }
            if (item.entry().kind() == Kind.HARD_LINK) {
                var target = files.get(new String(item.entry().linkTarget(), StandardCharsets.ISO_8859_1));
                remove(path);
                files.put(
                        path, target.entry().kind() == Kind.FILE ? target : new Item(target.entry(), target.content()));
            } else {
                if (item.entry().kind() != Kind.DIRECTORY || !isDirectory(path)) {
                    remove(path);
                }
                files.put(path, item);
            }
        }
    }

    @SuppressWarnings("ReferenceEquality") // there is one implied directory
    private void apply(ExpectedTree layer) {
        for (String path : layer.files.keySet()) {
            String name = path.substring(path.lastIndexOf('/') + 1);
            String parent = parent(path);
            if (name.equals(".wh..wh..opq")) {
                List.copyOf(files.keySet()).stream()
                        .filter(p -> parent.isEmpty() ? !p.isEmpty() : p.startsWith(parent + "/"))
                        .forEach(files::remove);
            } else if (name.startsWith(".wh.")) {
                remove((parent.isEmpty() ? "" : parent + "/") + name.substring(4));
            }
        }
        for (var file : layer.files.entrySet()) {
            String path = file.getKey();
            if (("/" + path).contains("/.wh.")) {
                continue;
            }
            var item = file.getValue();
            if (item.entry().kind() != Kind.DIRECTORY || !isDirectory(path)) {
                remove(path);
                files.put(path, item);
            } else if (item != IMPLIED) {
                files.put(path, item);
            }
        }
    }

    private boolean isDirectory(String path) {
        var item = files.get(path);
        return item != null && item.entry().kind() == Kind.DIRECTORY;
    }

    private void remove(String path) {
        files.remove(path);
        new ArrayList<>(files.subMap(path + "/", path + "0").keySet()).forEach(files::remove);
    }

    private static String parent(String path) {
        return path.contains("/") ? path.substring(0, path.lastIndexOf('/')) : "";
    }

    private Map<String, Seen> seen() {
        var firstNames = new IdentityHashMap<Item, String>();
        var names = new IdentityHashMap<Item, Integer>();
        files.forEach((path, item) -> {
            firstNames.putIfAbsent(item, path);
            names.merge(item, 1, Integer::sum);
        });
        var seen = new TreeMap<String, Seen>();
        files.forEach((path, item) -> {
            boolean directory = item.entry().kind() == Kind.DIRECTORY;
            boolean file = item.entry().kind() == Kind.FILE;
            long nlink = directory ? 2 + subdirectories(path) : file ? names.get(item) : 1;
            seen.put(path, look(item, nlink, file ? firstNames.get(item) : path));
        });
        return seen;
    }

    private long subdirectories(String path) {
        return files.keySet().stream()
                .filter(p -> !p.isEmpty() && parent(p).equals(path) && isDirectory(p))
                .count();
    }

    private static Seen look(Item item, long nlink, String firstName) {
        var e = item.entry();
        var xattrs = new TreeMap<String, String>();
        e.xattrs().forEach(x -> xattrs.put(x.text(), HexFormat.of().formatHex(x.value())));
        boolean device = e.kind() == Kind.CHARACTER_DEVICE || e.kind() == Kind.BLOCK_DEVICE;
        String target = e.kind() == Kind.SYMLINK ? new String(e.linkTarget(), StandardCharsets.ISO_8859_1) : "";
        return new Seen(
                e.kind().typeBits() | e.mode(),
                Integer.toUnsignedLong(e.uid()),
                Integer.toUnsignedLong(e.gid()),
                e.mtimeSeconds(),
                e.mtimeNanos(),
                nlink,
                e.kind() == Kind.SYMLINK ? target.length() : item.content().length,
                target,
                device ? e.devMajor() + ":" + e.devMinor() : "",
                xattrs,
                e.kind() == Kind.FILE
                        ? HexFormat.of().formatHex(ChunkHasher.sha256().digest(item.content()))
                        : "",
                firstName);
    }
}
