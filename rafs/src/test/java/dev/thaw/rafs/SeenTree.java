package dev.thaw.rafs;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Reads a whole tree through {@link Bootstrap}, {@link ChunkTable} and {@link ChunkDecoder}. */
public final class SeenTree implements AutoCloseable {
    private final Bootstrap bootstrap;
    private final List<byte[]> blobs;
    private final List<ChunkTable> tables;
    private final ChunkDecoder decoder = new ChunkDecoder();
    private final Map<Long, String> firstNames = new HashMap<>();
    private final TreeMap<String, Seen> seen = new TreeMap<>();

    private SeenTree(Bootstrap bootstrap, List<byte[]> blobs) throws CorruptImageException {
        this.bootstrap = bootstrap;
        this.blobs = blobs;
        this.tables = ChunkTable.fromBootstrap(bootstrap);
    }

    /** @param blobs the blobs' bytes in the bootstrap's order */
    public static Map<String, Seen> of(Bootstrap bootstrap, List<byte[]> blobs) throws CorruptImageException {
        try (var tree = new SeenTree(bootstrap, blobs)) {
            tree.walk("", bootstrap.rootNid());
            return tree.seen;
        }
    }

    /** @param layers in any order; some may not be used by the bootstrap */
    static Map<String, Seen> ofMerged(Bootstrap bootstrap, List<Built> layers) throws CorruptImageException {
        var blobs = new ArrayList<byte[]>();
        for (var info : bootstrap.blobs()) {
            blobs.add(layers.stream()
                    .filter(layer -> layer.summary().digest().equals(info.id()))
                    .findFirst()
                    .orElseThrow()
                    .blob());
        }
        return of(bootstrap, blobs);
    }

    static Map<String, Seen> of(Built layer) throws CorruptImageException {
        return of(layer.bootstrap(), List.of(layer.blob()));
    }

    private void walk(String path, long nid) throws CorruptImageException {
        var inode = bootstrap.inode(nid);
        seen.put(path, look(path, inode));
        if (inode.isDirectory()) {
            bootstrap.list(nid, (name, child, type) -> {
                String text = new String(name, StandardCharsets.ISO_8859_1);
                if (!text.equals(".") && !text.equals("..")) {
                    walk(path.isEmpty() ? text : path + "/" + text, child);
                }
                return true;
            });
        }
    }

    private Seen look(String path, Inode inode) throws CorruptImageException {
        long nid = inode.nid();
        var xattrs = new TreeMap<String, String>();
        for (var xattr : bootstrap.xattrs(nid)) {
            xattrs.put(xattr.text(), HexFormat.of().formatHex(xattr.value()));
        }
        boolean device = inode.type() == Inode.TYPE_CHARACTER_DEVICE || inode.type() == Inode.TYPE_BLOCK_DEVICE;
        return new Seen(
                inode.mode(),
                Integer.toUnsignedLong(inode.uid()),
                Integer.toUnsignedLong(inode.gid()),
                inode.mtimeSeconds(),
                inode.mtimeNanos(),
                inode.nlink(),
                inode.isDirectory() ? 0 : inode.sizeBytes(),
                inode.isSymlink() ? new String(bootstrap.symlinkTarget(nid), StandardCharsets.ISO_8859_1) : "",
                device ? inode.deviceMajor() + ":" + inode.deviceMinor() : "",
                xattrs,
                inode.isRegular() ? content(nid) : "",
                firstNames.computeIfAbsent(nid, n -> path));
    }

    private String content(long nid) throws CorruptImageException {
        var sha256 = ChunkHasher.sha256();
        for (int i = 0; i < bootstrap.chunkCount(nid); i++) {
            var chunk = bootstrap.fileChunk(nid, i);
            sha256.update(chunk(chunk));
        }
        return HexFormat.of().formatHex(sha256.digest());
    }

    private byte[] chunk(FileChunk chunk) throws CorruptImageException {
        var table = tables.get(chunk.blobIndex());
        int c = chunk.chunkIndex();
        int from = (int) table.compressedOffset(c);
        byte[] stored = Arrays.copyOfRange(blobs.get(chunk.blobIndex()), from, from + table.compressedLength(c));
        byte[] raw = new byte[chunk.lengthBytes()];
        decoder.decode(table, c, MemorySegment.ofArray(stored), MemorySegment.ofArray(raw));
        if (!table.digestMatches(c, MemorySegment.ofArray(raw))) {
            throw new AssertionError("chunk " + c + " has a wrong digest");
        }
        if (table.indexAt(chunk.deviceOffset()) != c) {
            throw new AssertionError("chunk " + c + " is not found by its place on the device");
        }
        return raw;
    }

    @Override
    public void close() {
        decoder.close();
    }
}
