package dev.thaw.rafs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Bytes that nydus-image 2.2 wrote for a directory with {@code lib.rs} and {@code sync_io.rs}: a bootstrap with one zstd blob
 * of 14554 bytes. The blob id and what concerns the second file's inode are filled in, the rest is as dumped.
 */
class GoldenBytesTest {
    private static final String ID = "be7d77ee" + "0123456789abcdef".repeat(3) + "000d5fef";

    private static final byte[] CI =
            hex("0000000000202204" + "000000 0000b02d01" + "0050000000704503" + "dc12000000d0b900");

    private static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
    }

    private static byte[] bootstrap() {
        var image = ByteBuffer.allocate(0x5000).order(ByteOrder.LITTLE_ENDIAN);
        image.put(0x400, hex("e2e1f5e0 00000000 00000040 0c008000 0300000000000000 0000000000000000"));
        image.put(0x420, hex("00000000 09000000 02000000 00000000"));
        image.put(0x450, hex("0c000000 0000 0100 0b00 0000"));
        image.put(0x480, hex("9401000000000000 0010000000000000 00010000 00001000 0040000000000000"));
        image.put(0x4a0, hex("a000000000000000 0000000000000000"));
        image.put(0x580, ID.getBytes(StandardCharsets.US_ASCII));
        image.put(0x5c0, hex("09000000 00020000"));
        image.put(0x1000, ID.getBytes(StandardCharsets.US_ASCII));
        image.put(0x1040, hex("00000000 00001000 02000000 03000000 00000000 21000070 da38000000000000"));
        image.put(0x1060, hex("0090000000000000 00040000 00000000 7a20000000000000 2000000000000000 2000000000000000"));
        image.put(0x3000, hex("0500 0000 ed41 0000 4300000000000000 03000000 00000000 00000000 00000000"));
        image.put(0x3020, hex("0000000000000000 00000000 02000000"));
        image.put(0x3040, hex("8000000000000000 3000 0200 8000000000000000 3100 0200"));
        image.put(0x3058, hex("8500000000000000 3300 0100 8800000000000000 3900 0100"));
        image.put(0x3070, hex("2e2e2e6c69622e727373796e635f696f2e7273"));
        image.put(0x30a0, hex("0900 0000 a481 0000 2342000000000000 28000000 02000000 00000000 00000000"));
        image.put(0x30c0, hex("613cf26300000000 569c7825 01000000"));
        image.put(0x30e0, hex("0000 0100 00000000"));
        image.put(0x3100, hex("0900 0000 a481 0000 5834000000000000 28000000 03000000 00000000 00000000"));
        image.put(0x3120, hex("613cf26300000000 00000000 01000000"));
        image.put(0x3140, hex("0100 0100 05000000"));
        image.put(0x4000, hex("812465bc" + "00".repeat(26) + "dc3f"));
        image.put(0x4020, hex("00000000 01000000 9e0b0000 58340000 dc12000000000000 0050000000000000"));
        image.put(0x4040, hex("0000000000000000 01000000 00000000"));
        image.put(0x4050, hex("9000" + "00".repeat(30)));
        image.put(0x4070, hex("00000000 01000000 dc120000 23420000 0000000000000000 0000000000000000"));
        image.put(0x4090, hex("0000000000000000 00000000 00000000"));
        return image.array();
    }

    private static Bootstrap opened() throws CorruptImageException {
        return Bootstrap.of(MemorySegment.ofArray(bootstrap()), "golden");
    }

    @Test
    void readsTheTables() throws Exception {
        var bootstrap = opened();
        BootstrapChecker.check(bootstrap);

        assertThat(bootstrap.rootNid()).isEqualTo(0x80);
        assertThat(bootstrap.inodeCount()).isEqualTo(3);
        assertThat(bootstrap.chunkSizeBytes()).isEqualTo(1 << 20);
        assertThat(bootstrap.prefetchNids()).isEmpty();
        assertThat(bootstrap.blobs())
                .containsExactly(new BlobInfo(
                        0,
                        ID,
                        1 << 20,
                        2,
                        Codec.ZSTD,
                        DigestAlgorithm.BLAKE3,
                        0x70000021,
                        0x38da,
                        0x9000,
                        0x207a,
                        0x20,
                        0x20,
                        Codec.NONE,
                        0x400,
                        0x200));
    }

    @Test
    void readsDirectoryAndFile() throws Exception {
        var bootstrap = opened();
        var names = new ArrayList<String>();
        bootstrap.list(
                0x80,
                (name, nid, type) -> names.add(new String(name, StandardCharsets.UTF_8) + " " + nid + " " + type));
        assertThat(names).containsExactly(". 128 2", ".. 128 2", "lib.rs 133 1", "sync_io.rs 136 1");

        long nid = bootstrap.resolve("/lib.rs").orElseThrow();
        assertThat(bootstrap.inode(nid))
                .isEqualTo(new Inode(0x85, 0100644, 0x4223, 0, 0, 0x63f23c61L, 0x25789c56, 1, 0, false));
        assertThat(bootstrap.chunkCount(nid)).isOne();
        assertThat(bootstrap.fileChunk(nid, 0)).isEqualTo(new FileChunk(0, 0, 0, 0x4223));
        assertThat(bootstrap.fileChunk(bootstrap.resolve("/sync_io.rs").orElseThrow(), 0))
                .isEqualTo(new FileChunk(0, 1, 0x5000, 0x3458));
    }

    @Test
    void readsTheChunkTableOfTheBlobLikeThatOfTheBootstrap() throws Exception {
        byte[] header = new byte[4096];
        System.arraycopy(
                hex("0bb10bb1 21000070 00000000 02000000 7a20000000000000 2000000000000000 2000000000000000"),
                0,
                header,
                0,
                40);
        System.arraycopy(hex("0bb10bb1"), 0, header, 0xffc, 4);
        var bootstrap = opened();
        var blob = bootstrap.blobs().getFirst();

        for (var table :
                List.of(ChunkTable.of(blob, CI, header, new byte[64]), ChunkTable.fromBootstrap(bootstrap, 0))) {
            assertThat(table.count()).isEqualTo(2);
            assertThat(table.uncompressedOffset(0)).isZero();
            assertThat(table.uncompressedLength(0)).isEqualTo(0x4223);
            assertThat(table.compressedOffset(0)).isZero();
            assertThat(table.compressedLength(0)).isEqualTo(0x12dc);
            assertThat(table.uncompressedOffset(1)).isEqualTo(0x5000);
            assertThat(table.uncompressedLength(1)).isEqualTo(0x3458);
            assertThat(table.compressedOffset(1)).isEqualTo(0x12dc);
            assertThat(table.compressedLength(1)).isEqualTo(0xb9e);
            assertThat(table.compressed(0)).isTrue();
            assertThat(table.indexAt(0x4222)).isZero();
            assertThat(table.indexAt(0x4223)).isEqualTo(-1);
            assertThat(table.indexAt(0x5000)).isEqualTo(1);
            assertThat(table.indexAt(0x9000)).isEqualTo(-1);
        }
    }

    @Test
    void packsChunkEntriesIntoTheSameBits() throws Exception {
        var out = new ByteArrayOutputStream();
        new ImageWriter(out)
                .u64(CiEntry.uncompressedWord(0, 0x4223))
                .u64(CiEntry.compressedWord(0, 0x12dc))
                .u64(CiEntry.uncompressedWord(0x5000, 0x3458))
                .u64(CiEntry.compressedWord(0x12dc, 0xb9e))
                .flush();

        assertThat(out.toByteArray()).isEqualTo(CI);
    }

    @Test
    void writesTheHeadAsNydusDid() throws Exception {
        var blob = opened().blobs().getFirst();
        var out = new ByteArrayOutputStream();
        var writer = new ImageWriter(out);
        new SuperBlock(0x80, 3, 0, 0, 9, 2, 1).write(writer);
        new RafsSuperBlock(0x194, 0x1000, 0x100, 1 << 20, 0x4000, 0xa0, 0, 0).write(writer);
        new DeviceSlot(ID, 9, 0x200).write(writer);
        writer.zeroTo(0x1000);
        BlobTable.write(writer, blob);
        writer.flush();

        assertThat(out.toByteArray()).isEqualTo(Arrays.copyOf(bootstrap(), 0x1100));
    }

    @Test
    void writesTheChunkTableHeaderAsNydusDid() throws Exception {
        var out = new ByteArrayOutputStream();
        var writer = new ImageWriter(out);
        CiHeader.write(writer, opened().blobs().getFirst());
        writer.flush();

        byte[] header = out.toByteArray();
        assertThat(header).hasSize(4096);
        assertThat(Arrays.copyOf(header, 40))
                .isEqualTo(
                        hex("0bb10bb1 21000070 00000000 02000000 7a20000000000000 2000000000000000 2000000000000000"));
        assertThat(Arrays.copyOfRange(header, 40, 0xffc)).containsOnly(0);
        assertThat(Arrays.copyOfRange(header, 0xffc, 4096)).isEqualTo(hex("0bb10bb1"));
    }

    @Test
    void writesXattrsAsNydusDid() throws Exception {
        var xattrs = List.of(Xattr.of("user.k", Item.bytes("v")));
        var out = new ByteArrayOutputStream();
        var writer = new ImageWriter(out);
        XattrArea.write(writer, xattrs);
        writer.flush();

        assertThat(XattrArea.count(xattrs)).isEqualTo(3);
        assertThat(out.toByteArray()).isEqualTo(hex("000000000000000000000000 01010100 6b760000"));
        assertThat(XattrArea.read(new Image(MemorySegment.ofArray(out.toByteArray()), "xattrs"), 0, 20))
                .isEqualTo(xattrs);
    }

    @Test
    void readsATableOfContentsWithTheOldBuildersFaults() throws Exception {
        var tail = ByteBuffer.allocate(128 + 512).order(ByteOrder.LITTLE_ENDIAN);
        tail.put(0, hex("01000000 00000000 696d6167652e626c6f62"));
        tail.put(0x38, hex("7a1e000000000000 7a1e000000000000 0090000000000000"));
        tail.put(0x50, hex("deadbeef"));
        var out = new ByteArrayOutputStream();
        var writer = new ImageWriter(out);
        new TarHeader("rafs.blob.toc", 128).write(writer);
        writer.flush();
        tail.put(128, out.toByteArray());

        var section = BlobSections.fromTail(tail.array(), 14554, "golden").entry(BlobSections.DATA);

        assertThat(section.offset()).isZero();
        assertThat(section.storedSize()).isEqualTo(0x1e7a);
        assertThat(section.uncompressedSize()).isEqualTo(0x9000);
    }

    @Test
    void structsHaveTheirSizes() throws Exception {
        assertThat(sizeOf(w -> new SuperBlock(0, 1, 0, 0, 0, 1, 0).write(w)) - SuperBlock.OFFSET)
                .isEqualTo(SuperBlock.BYTES)
                .isEqualTo(128);
        assertThat(sizeOf(w -> new RafsSuperBlock(0, 0, 0, 0, 0, 0, 0, 0).write(w)) - RafsSuperBlock.OFFSET)
                .isEqualTo(RafsSuperBlock.BYTES)
                .isEqualTo(256);
        assertThat(sizeOf(w -> new DeviceSlot(ID, 1, 1).write(w)))
                .isEqualTo(DeviceSlot.BYTES)
                .isEqualTo(128);
        var blob = opened().blobs().getFirst();
        assertThat(sizeOf(w -> BlobTable.write(w, blob)))
                .isEqualTo(BlobTable.ENTRY_BYTES)
                .isEqualTo(256);
        assertThat(sizeOf(w -> opened().chunkRecords().write(0, 0, w)))
                .isEqualTo(ChunkRecords.ENTRY_BYTES)
                .isEqualTo(80);
        assertThat(sizeOf(w -> new BlobSections.Section("x", Codec.NONE, new byte[32], 0, 0, 0).write(w)))
                .isEqualTo(BlobSections.ENTRY_BYTES)
                .isEqualTo(128);
        assertThat(sizeOf(new TarHeader("x", 1)::write)).isEqualTo(512);
        assertThat(RafsSuperBlock.OFFSET + RafsSuperBlock.BYTES)
                .isEqualTo(DeviceSlot.TABLE_OFFSET)
                .isEqualTo(1408);
    }

    private interface Writing {
        void to(ImageWriter writer) throws Exception;
    }

    private static long sizeOf(Writing writing) throws Exception {
        var out = new ByteArrayOutputStream();
        var writer = new ImageWriter(out);
        writing.to(writer);
        writer.flush();
        return out.size();
    }
}
