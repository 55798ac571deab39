package dev.thaw.rafs;

import dev.thaw.fuzz.Fuzz;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every reader of this module, fed with damaged input. */
@Tag("fuzz")
class FuzzedImagesTest {
    private static final List<Item> ITEMS = List.of(
            Item.directory("").mode(01777),
            Item.file("file", Corpus.incompressible(9000, 1)),
            Item.file("again", Corpus.incompressible(9000, 1)),
            Item.file("compressible", Corpus.compressible(20_000)).xattr("user.note", Item.bytes("kept")),
            Item.link("hard", "file"),
            Item.symlink("symlink", "file"),
            Item.special("null", LayerEntry.Kind.CHARACTER_DEVICE, 1, 3),
            Item.directory("directory"),
            Item.file("directory/entry", "1"),
            Item.file("directory/" + "n".repeat(200), ""),
            Item.file(".wh.gone", ""));

    private static Built layer;
    private static byte[] layerBootstrap;
    private static byte[] merged;

    @TempDir
    Path directory;

    @BeforeAll
    static void build(@TempDir Path directory) throws Exception {
        layer = Built.of(Built.SMALL_CHUNKS, ITEMS);
        layerBootstrap = layer.sections()
                .decode(layer.sections().entry(BlobSections.BOOTSTRAP), layer.stored(BlobSections.BOOTSTRAP));
        var upper = Built.of(
                Built.SMALL_CHUNKS, List.of(Item.file("directory/.wh..wh..opq", ""), Item.file("directory/new", "2")));
        var file = directory.resolve("merged");
        BootstrapMerger.merge(List.of(layer.toMerge(), upper.toMerge()), file);
        merged = Files.readAllBytes(file);
    }

    private static void walk(Bootstrap bootstrap, long nid, int depth) throws CorruptImageException {
        var inode = bootstrap.inode(nid);
        bootstrap.xattrs(nid);
        if (inode.isDirectory() && depth < 10) {
            bootstrap.lookup(nid, Item.bytes("entry"));
            bootstrap.list(nid, (name, child, type) -> {
                if (name.length > 2) {
                    walk(bootstrap, child, depth + 1);
                }
                return true;
            });
        } else if (inode.isSymlink()) {
            bootstrap.symlinkTarget(nid);
        } else if (inode.isRegular()) {
            int count = Math.min(20, bootstrap.chunkCount(nid));
            for (int i = 0; i < count; i++) {
                bootstrap.fileChunk(nid, i);
            }
        }
    }

    @Test
    void checkedBootstraps() throws Exception {
        Fuzz.target("bootstrap, checked")
                .seed(merged)
                .seed(layerBootstrap)
                .mayThrow(CorruptImageException.class)
                .run(input -> {
                    var bootstrap = Bootstrap.of(MemorySegment.ofArray(input), "fuzzed");
                    BootstrapChecker.check(bootstrap);
                    // What passes the check is what an agent serves: nothing of it may fail any more.
                    try {
                        ChunkTable.fromBootstrap(bootstrap);
                        bootstrap.prefetchNids();
                        walk(bootstrap, bootstrap.rootNid(), 0);
                    } catch (CorruptImageException e) {
                        throw new AssertionError("the checker let it pass", e);
                    }
                });
    }

    @Test
    void bootstrapsThatNobodyChecked() throws Exception {
        Fuzz.target("bootstrap, not checked")
                .seed(merged)
                .seed(layerBootstrap)
                .mayThrow(CorruptImageException.class)
                .run(input -> {
                    var bootstrap = Bootstrap.of(MemorySegment.ofArray(input), "fuzzed");
                    walk(bootstrap, bootstrap.rootNid(), 0);
                    ChunkTable.fromBootstrap(bootstrap);
                });
    }

    @Test
    void layersToMerge() throws Exception {
        var file = directory.resolve("merged");
        Fuzz.target("layer bootstrap, merged")
                .seed(layerBootstrap)
                .mayThrow(CorruptImageException.class)
                .mayThrow(IOException.class)
                .run(input -> {
                    var bootstrap = Bootstrap.of(MemorySegment.ofArray(input), "fuzzed");
                    var damaged = new MergeLayer(bootstrap, "ab".repeat(32), 1 << 20);
                    Files.deleteIfExists(file);
                    BootstrapMerger.merge(List.of(layer.toMerge(), damaged), file);
                });
    }

    /** Entries, their header and the digests behind one another, as they lie in the blob. */
    @Test
    void chunkTables() throws Exception {
        var blob = layer.bootstrap().blobs().getFirst();
        byte[] ci = layer.sections()
                .decode(layer.sections().entry(BlobSections.CHUNK_TABLE), layer.stored(BlobSections.CHUNK_TABLE));
        byte[] header = layer.stored(BlobSections.CHUNK_TABLE_HEADER);
        byte[] digests = layer.stored(BlobSections.DIGESTS);
        for (boolean v2 : new boolean[] {false, true}) {
            byte[] table = v2 ? version2(ci) : ci;
            Fuzz.target("chunk table version " + (v2 ? 2 : 1))
                    .seed(table)
                    .mayThrow(CorruptImageException.class)
                    .run(input -> {
                        var described = described(blob, v2, table.length);
                        var fitting = ByteBuffer.wrap(header.clone()).order(ByteOrder.LITTLE_ENDIAN);
                        fitting.putInt(8, Codec.NONE.number());
                        fitting.putLong(24, table.length).putLong(32, table.length);
                        byte[] damaged = Arrays.copyOf(input, table.length);
                        useTable(ChunkTable.of(described, damaged, fitting.array(), digests));
                    });
        }
        byte[] stored = layer.stored(BlobSections.CHUNK_TABLE);
        Fuzz.target("chunk table as stored, and its header")
                .seed(concat(stored, header))
                .mayThrow(CorruptImageException.class)
                .run(input -> {
                    int cut = Math.max(0, input.length - header.length);
                    useTable(ChunkTable.of(
                            blob, Arrays.copyOf(input, cut), Arrays.copyOfRange(input, cut, input.length), digests));
                });
    }

    private static BlobInfo described(BlobInfo b, boolean v2, int tableBytes) {
        return new BlobInfo(
                b.index(),
                b.id(),
                b.chunkSizeBytes(),
                b.chunkCount(),
                b.codec(),
                b.digester(),
                b.features() | (v2 ? BlobInfo.FEATURE_CHUNK_INFO_V2 : 0),
                b.compressedSize(),
                b.uncompressedSize(),
                b.ciOffset(),
                tableBytes,
                tableBytes,
                Codec.NONE,
                b.tocSize(),
                b.mappedBlock());
    }

    private static byte[] version2(byte[] version1) {
        var in = ByteBuffer.wrap(version1).order(ByteOrder.LITTLE_ENDIAN);
        var out = ByteBuffer.allocate(version1.length / CiEntry.V1_BYTES * CiEntry.V2_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            long u = in.getLong();
            long c = in.getLong();
            long flags = CiEntry.uncompressedSize(u) == CiEntry.compressedSize(c) ? 0 : CiEntry.V2_COMPRESSED;
            out.putLong(CiEntry.uncompressedOffset(u) >> 12 | (CiEntry.uncompressedSize(u) - 1L) << 32 | flags << 56);
            out.putLong(CiEntry.compressedOffset(c) | (long) CiEntry.compressedSize(c) << 40);
            out.putLong(0);
        }
        return out.array();
    }

    private static void useTable(ChunkTable table) {
        byte[] digest = new byte[32];
        for (int i = 0; i < table.count(); i++) {
            table.digest(i, digest);
            if (table.indexAt(table.uncompressedOffset(i)) != i) {
                throw new AssertionError("chunk " + i + " is not found by its place");
            }
            if (table.compressedOffset(i) + table.compressedLength(i)
                    > table.blob().dataBytes()) {
                throw new AssertionError("chunk " + i + " lies outside of the data");
            }
        }
    }

    private static byte[] concat(byte[] one, byte[] other) {
        byte[] both = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, both, one.length, other.length);
        return both;
    }

    @Test
    void tablesOfContents() throws Exception {
        byte[] blob = layer.blob();
        Fuzz.target("table of contents")
                .seed(Arrays.copyOfRange(blob, blob.length - BlobSections.TAIL_BYTES, blob.length))
                .word(BlobSections.BOOTSTRAP)
                .word(BlobSections.TOC)
                .word(BlobSections.DIGESTS)
                .mayThrow(CorruptImageException.class)
                .repairedBy(FuzzedImagesTest::withChecksum)
                .run(input -> {
                    var sections = BlobSections.fromTail(input, blob.length, "fuzzed");
                    for (var section : sections.sections()) {
                        int from = (int) section.offset();
                        sections.decode(section, Arrays.copyOfRange(blob, from, from + (int) section.storedSize()));
                    }
                });
    }

    /** Makes the checksum of the tar header at the end right. */
    private static byte[] withChecksum(byte[] tail) {
        if (tail.length < TarHeader.BYTES) {
            return tail;
        }
        int start = tail.length - TarHeader.BYTES;
        Arrays.fill(tail, start + 148, start + 156, (byte) ' ');
        int sum = 0;
        for (int i = start; i < tail.length; i++) {
            sum += tail[i] & 0xff;
        }
        byte[] text = Item.bytes("%06o\0 ".formatted(sum));
        System.arraycopy(text, 0, tail, start + 148, text.length);
        return tail;
    }

    @Test
    void sections() throws Exception {
        var section = layer.sections().entry(BlobSections.BOOTSTRAP);
        Fuzz.target("section, compressed")
                .seed(layer.stored(BlobSections.BOOTSTRAP))
                .mayThrow(CorruptImageException.class)
                .run(input -> layer.sections().decode(section, input));
    }

    @Test
    void chunks() throws Exception {
        for (var codec : List.of(Codec.ZSTD, Codec.LZ4_BLOCK)) {
            var built = Built.of(
                    new LayerOptions(65536, codec, DigestAlgorithm.SHA256, 3),
                    List.of(Item.file("a", Corpus.compressible(50_000)), Item.file("b", Corpus.compressible(9_000))));
            var table = built.chunkTable();
            var fuzz = Fuzz.target("chunks, " + codec).mayThrow(CorruptImageException.class);
            for (int i = 0; i < table.count(); i++) {
                int from = (int) table.compressedOffset(i);
                fuzz.seed(Arrays.copyOfRange(built.blob(), from, from + table.compressedLength(i)));
            }
            try (var decoder = new ChunkDecoder()) {
                fuzz.run(input -> {
                    decoder.decode(codec, MemorySegment.ofArray(input), MemorySegment.ofArray(new byte[50_000]));
                });
            }
        }
    }
}
