package dev.thaw.rafs;

import dev.thaw.rafs.LayerEntry.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Layers that no one would think of, the same for the same seed. Names are few, so that layers meet. */
public final class RandomLayers {
    private static final String[] NAMES = {"a", "b", "c", "d", "!", "-x", " ", ".hidden", "\u00ff", "zz"};

    private final SplittableRandom random;
    private final int chunkSize;
    private final List<Item> items = new ArrayList<>();
    private final List<String> files = new ArrayList<>();

    private RandomLayers(SplittableRandom random, int chunkSize) {
        this.random = random;
        this.chunkSize = chunkSize;
    }

    static LayerOptions options(SplittableRandom random) {
        var codecs = List.of(Codec.NONE, Codec.LZ4_BLOCK, Codec.ZSTD);
        return new LayerOptions(
                4096 << random.nextInt(3),
                codecs.get(random.nextInt(codecs.size())),
                random.nextBoolean() ? DigestAlgorithm.SHA256 : DigestAlgorithm.BLAKE3,
                1 + random.nextInt(5));
    }

    /** A layer without whiteouts. */
    public static List<Item> layer(SplittableRandom random, int chunkSize) {
        return new RandomLayers(random, chunkSize).make(0);
    }

    /** A layer with some. */
    public static List<Item> upperLayer(SplittableRandom random, int chunkSize) {
        return new RandomLayers(random, chunkSize).make(3);
    }

    private List<Item> make(int whiteouts) {
        if (random.nextBoolean()) {
            items.add(attributes(Item.directory("")));
        }
        int count = random.nextInt(60);
        for (int i = 0; i < count; i++) {
            add(path());
        }
        for (int i = 0; i < whiteouts; i++) {
            String path = path();
            String parent = path.contains("/") ? path.substring(0, path.lastIndexOf('/') + 1) : "";
            String name = random.nextInt(4) == 0 ? ".wh..wh..opq" : ".wh." + path.substring(parent.length());
            if (!isBelowFile(parent + name)) {
                forget(parent + name);
                items.add(Item.file(parent + name, ""));
            }
        }
        return items;
    }

    private void add(String path) {
        if (isBelowFile(path)) {
            return;
        }
        var item = random(path);
        if (item.entry().kind() == Kind.DIRECTORY) {
            files.remove(path);
        } else {
            forget(path);
        }
        if (item.entry().kind() == Kind.HARD_LINK) {
            files.add(path);
            items.add(item);
        } else {
            if (item.entry().kind() == Kind.FILE) {
                files.add(path);
            }
            items.add(attributes(item));
        }
    }

    private Item random(String path) {
        return switch (random.nextInt(9)) {
            case 0, 1, 2 -> Item.directory(path);
            case 3, 4 -> Item.file(path, content());
            case 5 -> Item.symlink(path, "t".repeat(1 + random.nextInt(200)));
            case 6 -> Item.special(path, Kind.CHARACTER_DEVICE, random.nextInt(4096), random.nextInt(1 << 20));
            case 7 -> Item.special(path, random.nextBoolean() ? Kind.FIFO : Kind.SOCKET, 0, 0);
            default -> {
                var target = files.isEmpty() ? path : files.get(random.nextInt(files.size()));
                boolean possible = !target.equals(path) && !target.startsWith(path + "/");
                yield possible ? Item.link(path, target) : Item.file(path, content());
            }
        };
    }

    private byte[] content() {
        int length = random.nextInt(4) == 0 ? random.nextInt(5 * chunkSize) : random.nextInt(300);
        return random.nextBoolean() ? Corpus.compressible(length) : Corpus.incompressible(length, random.nextInt(3));
    }

    private Item attributes(Item item) {
        var changed = item.mode(random.nextInt(010000))
                .owner(random.nextInt(), random.nextInt())
                .mtime(random.nextLong(-1L << 33, 1L << 33), random.nextInt(1_000_000_000));
        for (int i = random.nextInt(8); i >= 6; i--) {
            changed = changed.xattr(
                    (random.nextBoolean() ? "user." : "trusted.") + "x" + i,
                    Corpus.incompressible(random.nextInt(3000), i));
        }
        return changed;
    }

    private String path() {
        var path = new StringBuilder(name());
        for (int depth = random.nextInt(4); depth > 0; depth--) {
            path.append('/').append(name());
        }
        return path.toString();
    }

    private String name() {
        return NAMES[random.nextInt(NAMES.length)];
    }

    /** Whether a parent is, at this point of the tar, something else than a directory. */
    private boolean isBelowFile(String path) {
        for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
            String parent = path.substring(0, slash);
            for (var item : items.reversed()) {
                if (item.path().equals(parent)) {
                    if (item.entry().kind() != Kind.DIRECTORY) {
                        return true;
                    }
                    break;
                }
                if (item.path().startsWith(parent + "/")) {
                    break;
                }
            }
        }
        return false;
    }

    private void forget(String path) {
        files.removeIf(file -> file.equals(path) || file.startsWith(path + "/"));
    }
}
