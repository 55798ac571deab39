package dev.thaw.converter.published;

import dev.thaw.converter.layer.LayerItem.Attributes;
import dev.thaw.converter.published.SourceTree.Node;
import dev.thaw.converter.tar.ByteNames;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.FileChunk;
import dev.thaw.rafs.Inode;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** Compares the tree of a bootstrap with that of the source, file by file. */
final class TreeComparison {
    private final Bootstrap bootstrap;
    private final List<BlobContents> blobs;
    private final ContentDigest digest;
    private final Differences differences;

    /** Hard links: a source file to its inode, an inode to its source file, and how many names a file has. */
    private final Map<Node, Long> inodes = new IdentityHashMap<>();

    private final Map<Long, Node> nodes = new HashMap<>();
    private final Map<Node, Integer> names = new IdentityHashMap<>();
    private long entries;

    TreeComparison(Bootstrap bootstrap, List<BlobContents> blobs, Differences differences) {
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.digest = new ContentDigest(bootstrap.chunkSizeBytes());
        this.differences = differences;
    }

    /** Compares everything below the roots, and the roots. Returns the number of names that were compared. */
    long compare(SourceTree source) throws CorruptImageException {
        compareAttributes("", source.root(), bootstrap.inode(bootstrap.rootNid()));
        compareDirectory("", source.root(), bootstrap.rootNid());
        for (var entry : names.entrySet()) {
            var nid = inodes.get(entry.getKey());
            if (nid != null && bootstrap.inode(nid).nlink() != entry.getValue()) {
                differences.add(
                        "",
                        "holds the inode " + nid + " with a link count of "
                                + bootstrap.inode(nid).nlink() + ", the source has " + entry.getValue()
                                + " names for it");
            }
        }
        return entries;
    }

    private void compareDirectory(String path, Node directory, long nid) throws CorruptImageException {
        var published = new TreeMap<String, Long>();
        bootstrap.list(nid, (name, child, type) -> {
            var text = ByteNames.of(name);
            if (!text.equals(".") && !text.equals("..")) {
                published.put(text, child);
            }
            return true;
        });
        for (var name : published.keySet()) {
            if (!directory.children.containsKey(name)) {
                differences.add(join(path, name), "is not in the source");
            }
        }
        for (var child : directory.children.entrySet()) {
            entries++;
            var childPath = join(path, child.getKey());
            var childNid = published.get(child.getKey());
            if (childNid == null) {
                differences.add(childPath, "is missing");
            } else {
                compareFile(childPath, child.getValue(), childNid);
            }
        }
    }

    private void compareFile(String path, Node node, long nid) throws CorruptImageException {
        var inode = bootstrap.inode(nid);
        if (inode.type() != type(node)) {
            differences.add(path, "is of type " + octal(inode.type()) + ", the source has " + octal(type(node)));
            return;
        }
        if (inode.isRegular()) {
            var isKnown = names.merge(node, 1, Integer::sum) > 1;
            var sameInode = inodes.putIfAbsent(node, nid);
            var sameNode = nodes.putIfAbsent(nid, node);
            if (sameInode != null && sameInode != nid || sameNode != null && sameNode != node) {
                differences.add(path, "is a hard link of another file than in the source");
            }
            if (isKnown) {
                return;
            }
        }
        compareAttributes(path, node, inode);
        if (inode.isDirectory()) {
            compareDirectory(path, node, nid);
        } else if (inode.isRegular()) {
            compareContent(path, node, inode);
        } else if (inode.isSymlink()) {
            var target = ByteNames.of(bootstrap.symlinkTarget(nid));
            if (!target.equals(node.linkTarget)) {
                differences.add(
                        path,
                        "points to " + ByteNames.text(target) + ", the source has " + ByteNames.text(node.linkTarget));
            }
        } else if (inode.rdev() != expectedDevice(node)) {
            differences.add(
                    path,
                    "is device " + inode.deviceMajor() + ":" + inode.deviceMinor() + ", the source has " + node.devMajor
                            + ":" + node.devMinor);
        }
    }

    private static int expectedDevice(Node node) {
        return switch (node.kind) {
            case CHARACTER_DEVICE, BLOCK_DEVICE -> Inode.rdev(node.devMajor, node.devMinor);
            case DIRECTORY, FILE, HARD_LINK, SYMLINK, FIFO, WHITEOUT, OPAQUE -> 0;
        };
    }

    private static int type(Node node) {
        return switch (node.kind) {
            case DIRECTORY -> Inode.TYPE_DIRECTORY;
            case FILE, HARD_LINK, WHITEOUT, OPAQUE -> Inode.TYPE_REGULAR;
            case SYMLINK -> Inode.TYPE_SYMLINK;
            case CHARACTER_DEVICE -> Inode.TYPE_CHARACTER_DEVICE;
            case BLOCK_DEVICE -> Inode.TYPE_BLOCK_DEVICE;
            case FIFO -> Inode.TYPE_FIFO;
        };
    }

    private void compareAttributes(String path, Node node, Inode inode) throws CorruptImageException {
        var expected = node.attributes;
        if (inode.permissions() != expected.mode()) {
            differences.add(
                    path, "has mode " + octal(inode.permissions()) + ", the source has " + octal(expected.mode()));
        }
        if (inode.uid() != expected.uid() || inode.gid() != expected.gid()) {
            differences.add(
                    path,
                    "belongs to " + owner(inode.uid(), inode.gid()) + ", in the source to "
                            + owner(expected.uid(), expected.gid()));
        }
        if (inode.mtimeSeconds() != expected.mtimeSeconds() || inode.mtimeNanos() != expected.mtimeNanos()) {
            differences.add(
                    path,
                    "was changed at " + time(inode.mtimeSeconds(), inode.mtimeNanos()) + ", in the source at "
                            + time(expected.mtimeSeconds(), expected.mtimeNanos()));
        }
        compareXattrs(path, expected, inode);
    }

    private void compareXattrs(String path, Attributes expected, Inode inode) throws CorruptImageException {
        var published = new TreeMap<String, byte[]>();
        for (var xattr : bootstrap.xattrs(inode.nid())) {
            published.put(ByteNames.of(xattr.name()), xattr.value());
        }
        var all = new TreeSet<>(published.keySet());
        all.addAll(expected.xattrs().keySet());
        for (var name : all) {
            if (!Arrays.equals(published.get(name), expected.xattrs().get(name))) {
                differences.add(
                        path,
                        "has the extended attribute " + ByteNames.text(name)
                                + (published.containsKey(name)
                                        ? expected.xattrs().containsKey(name)
                                                ? " with another value"
                                                : ", which the source has not"
                                        : " no longer"));
            }
        }
    }

    private void compareContent(String path, Node node, Inode inode) throws CorruptImageException {
        if (inode.sizeBytes() != node.sizeBytes) {
            differences.add(path, "has " + inode.sizeBytes() + " bytes, the source has " + node.sizeBytes);
            return;
        }
        var complete = true;
        long covered = 0;
        for (var i = 0; i < bootstrap.chunkCount(inode.nid()); i++) {
            var chunk = bootstrap.fileChunk(inode.nid(), i);
            complete &= add(chunk);
            covered += chunk.lengthBytes();
        }
        var found = digest.finish();
        if (!complete || covered != inode.sizeBytes() || !Arrays.equals(found, node.content)) {
            differences.add(path, "has other content");
        }
    }

    private boolean add(FileChunk chunk) {
        return chunk.blobIndex() < blobs.size()
                && blobs.get(chunk.blobIndex())
                        .addTo(digest, chunk.chunkIndex(), chunk.lengthBytes(), chunk.deviceOffset());
    }

    private static String join(String path, String name) {
        return path.isEmpty() ? name : path + "/" + name;
    }

    private static String octal(int number) {
        return "0" + Integer.toOctalString(number);
    }

    private static String owner(int uid, int gid) {
        return Integer.toUnsignedString(uid) + ":" + Integer.toUnsignedString(gid);
    }

    private static String time(long seconds, int nanos) {
        return seconds + "." + "%09d".formatted(nanos);
    }
}
