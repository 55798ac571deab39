package dev.thaw.rafs;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Joins the bootstraps of an image's layers to the one that is mounted.
 *
 * <p>Per directory of an upper layer, first its whiteouts take away what lies below, then its other entries are added: a
 * directory over a directory keeps the children below and takes the upper one's attributes, unless the upper layer only implied
 * it; anything else replaces what was there. Files whose name starts with {@code .wh.} never reach the result, not even from the
 * lowest layer. Names are joined to one file (hard links) within their layer only.
 *
 * <p>A chunk that several layers hold is referred to in the lowest of them. Its copies stay in the upper layers' blobs, each of which
 * is made of its layer alone so that images with the same layer share it.
 *
 * <p>Blobs that no file refers to any more are left out; the others are numbered in the order of their first use, breadth first.
 *
 * <p>Memory: about 250 bytes per file that is visible at any time, its name, symlink target and xattrs, 8 bytes per chunk of
 * each layer and about 40 per chunk that is used. The layers' bootstraps are read in place.
 */
public final class BootstrapMerger {
    private static final byte[] WHITEOUT = ".wh.".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] OPAQUE = ".wh..wh..opq".getBytes(StandardCharsets.US_ASCII);

    private final List<MergeLayer> layers;
    private final TreeNode root = TreeNode.impliedDirectory();

    private BootstrapMerger(List<MergeLayer> layers) {
        this.layers = List.copyOf(layers);
    }

    /**
     * Merges.
     *
     * @param layers lowest first; all with the same chunk size. Each bootstrap is checked ({@link BootstrapChecker}) before it is
     *     used
     * @param out is created or replaced
     */
    public static MergedBootstrap merge(List<MergeLayer> layers, Path out) throws IOException, CorruptImageException {
        return new BootstrapMerger(layers).mergeTo(out);
    }

    private MergedBootstrap mergeTo(Path out) throws IOException, CorruptImageException {
        var settings = settings();
        for (var layer : layers) {
            BootstrapChecker.check(layer.bootstrap());
            new Applying(layer).run(root);
        }
        var blobs = new MergedBlobs(layers);
        var summary = new Summary();
        breadthFirst(blobs, summary);
        blobs.collect();
        var writer = new BootstrapWriter(root, blobs.infos(), blobs, settings);
        try (OutputStream file = Files.newOutputStream(out)) {
            var digested = new DigestedOutput(file);
            writer.write(digested);
            return new MergedBootstrap(
                    out,
                    digested.position(),
                    HexFormat.of().formatHex(digested.sha256()),
                    writer.blobs(),
                    writer.inodes(),
                    blobs.count(),
                    summary.contentBytes);
        }
    }

    private BootstrapWriter.Settings settings() throws CorruptImageException {
        if (layers.isEmpty()) {
            var options = LayerOptions.DEFAULT;
            return new BootstrapWriter.Settings(options.chunkSizeBytes(), options.codec(), options.digest(), false);
        }
        int chunkSize = layers.getFirst().bootstrap().chunkSizeBytes();
        for (var layer : layers) {
            if (layer.bootstrap().chunkSizeBytes() != chunkSize) {
                throw new CorruptImageException(
                        layer.bootstrap().name(),
                        RafsSuperBlock.OFFSET,
                        "chunks of " + layer.bootstrap().chunkSizeBytes() + " bytes, but the lowest layer has "
                                + chunkSize);
            }
        }
        var last = layers.getLast().bootstrap().rafs();
        return new BootstrapWriter.Settings(chunkSize, last.codec(), last.digest(), false);
    }

    private static final class Summary {
        private long contentBytes;
    }

    /** Numbers blobs and marks chunks in the order in which nydus would come across them. */
    private void breadthFirst(MergedBlobs blobs, Summary summary) throws CorruptImageException {
        var directories = new ArrayDeque<TreeNode>();
        directories.add(root);
        while (!directories.isEmpty()) {
            for (var child : directories.remove().children().values()) {
                if (child.isDirectory()) {
                    directories.add(child);
                } else if (child.isRegular() && child.chunks() instanceof MergedFile file && !file.isUsed()) {
                    file.use(blobs);
                    summary.contentBytes += child.sizeBytes();
                }
            }
        }
    }

    private record Step(TreeNode target, long nid) {}

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Child(byte[] name, long nid) {}

    /** Puts one layer on top of the tree. */
    private static final class Applying {
        private final MergeLayer layer;
        private final Bootstrap bootstrap;
        private final Map<Long, TreeNode> linked = new HashMap<>();
        private final ArrayDeque<Step> directories = new ArrayDeque<>();

        Applying(MergeLayer layer) {
            this.layer = layer;
            this.bootstrap = layer.bootstrap();
        }

        void run(TreeNode root) throws CorruptImageException {
            descend(root, bootstrap.rootNid());
            while (!directories.isEmpty()) {
                var step = directories.pop();
                apply(step.target, step.nid);
            }
        }

        private void apply(TreeNode target, long nid) throws CorruptImageException {
            var added = new ArrayList<Child>();
            bootstrap.list(nid, (name, child, fileType) -> {
                if (Arrays.equals(name, OPAQUE)) {
                    target.children().clear();
                } else if (isWhiteout(name)) {
                    target.children().remove(Arrays.copyOfRange(name, WHITEOUT.length, name.length));
                } else if (!isDots(name)) {
                    added.add(new Child(name, child));
                }
                return true;
            });
            for (var child : added) {
                add(target, child);
            }
        }

        private void add(TreeNode target, Child child) throws CorruptImageException {
            var inode = bootstrap.inode(child.nid);
            if (!inode.isDirectory()) {
                target.children().put(child.name, file(inode));
                return;
            }
            var existing = target.children().get(child.name);
            if (existing == null || !existing.isDirectory()) {
                existing = TreeNode.impliedDirectory();
                target.children().put(child.name, existing);
            }
            descend(existing, child.nid);
        }

        private void descend(TreeNode directory, long nid) throws CorruptImageException {
            if (!bootstrap.isImplied(nid)) {
                directory.setAttributes(attributes(bootstrap.inode(nid)));
            }
            directories.push(new Step(directory, nid));
        }

        private TreeNode file(Inode inode) throws CorruptImageException {
            if (!inode.isRegular()) {
                return special(inode);
            }
            var known = linked.get(inode.nid());
            if (known != null) {
                return known;
            }
            var node = TreeNode.of(attributes(inode));
            node.setContent(inode.sizeBytes(), new MergedFile(layer, inode.nid()));
            if (inode.nlink() > 1) {
                linked.put(inode.nid(), node);
            }
            return node;
        }

        private TreeNode special(Inode inode) throws CorruptImageException {
            var attributes = attributes(inode);
            return inode.isSymlink()
                    ? TreeNode.symlink(attributes, bootstrap.symlinkTarget(inode.nid()))
                    : TreeNode.of(attributes);
        }

        private TreeNode.Attributes attributes(Inode inode) throws CorruptImageException {
            var xattrs = bootstrap.xattrs(inode.nid());
            try {
                xattrs = XattrArea.storable(xattrs, "inode " + inode.nid());
            } catch (IOException e) {
                throw new CorruptImageException(
                        bootstrap.name(), bootstrap.address(inode.nid()), String.valueOf(e.getMessage()));
            }
            return new TreeNode.Attributes(
                    inode.mode(),
                    inode.uid(),
                    inode.gid(),
                    inode.mtimeSeconds(),
                    inode.mtimeNanos(),
                    inode.rdev(),
                    xattrs);
        }

        private static boolean isWhiteout(byte[] name) {
            return name.length >= WHITEOUT.length
                    && Arrays.equals(name, 0, WHITEOUT.length, WHITEOUT, 0, WHITEOUT.length);
        }

        private static boolean isDots(byte[] name) {
            return name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
        }
    }
}
