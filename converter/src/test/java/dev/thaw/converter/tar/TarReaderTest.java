package dev.thaw.converter.tar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.converter.tar.TarEntry.Type;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.Test;

class TarReaderTest {
    private record Read(TarEntry entry, byte[] content) {}

    private static List<Read> read(byte[] archive) throws IOException {
        var reader = new TarReader(new ByteArrayInputStream(archive));
        var entries = new ArrayList<Read>();
        for (var entry = reader.next(); entry != null; entry = reader.next()) {
            entries.add(new Read(entry, reader.content().readAllBytes()));
        }
        return entries;
    }

    private static Read only(byte[] archive) throws IOException {
        var entries = read(archive);
        assertThat(entries).hasSize(1);
        return entries.getFirst();
    }

    @Test
    void readsEveryTypeOfEntry() throws IOException {
        var archive = new TarFile()
                .mode(04755)
                .owner(1000, 1001)
                .file("file", "content")
                .directory("directory", 01777)
                .symlink("symlink", "to/where")
                .hardLink("link", "file")
                .device("char", '3', 10, 200)
                .device("block", '4', 8, 1)
                .device("fifo", '6', 0, 0)
                .bytes();

        var entries = read(archive);

        assertThat(entries.stream().map(read -> read.entry().type()))
                .containsExactly(
                        Type.FILE,
                        Type.DIRECTORY,
                        Type.SYMLINK,
                        Type.HARD_LINK,
                        Type.CHARACTER_DEVICE,
                        Type.BLOCK_DEVICE,
                        Type.FIFO);
        var file = entries.getFirst();
        assertThat(file.entry().mode()).isEqualTo(04755);
        assertThat(file.entry().uid()).isEqualTo(1000);
        assertThat(file.entry().gid()).isEqualTo(1001);
        assertThat(file.entry().mtimeSeconds()).isEqualTo(1_700_000_000);
        assertThat(file.content()).asString().isEqualTo("content");
        assertThat(entries.get(1).entry().name()).isEqualTo("directory/");
        assertThat(entries.get(2).entry().linkName()).isEqualTo("to/where");
        assertThat(entries.get(4).entry().devMajor()).isEqualTo(10);
        assertThat(entries.get(4).entry().devMinor()).isEqualTo(200);
    }

    @Test
    void keepsNamesThatAreNoUtf8() throws IOException {
        var name = "caf\u00e9-\u00ff\u0080"; // one char a byte: é in Latin-1, and two bytes that are no UTF-8
        var long1 = name + "x".repeat(200);

        assertThat(only(new TarFile().file(name, "").bytes()).entry().name()).isEqualTo(name);
        assertThat(only(new TarFile()
                                .pax("path", ByteNames.bytes(name))
                                .file("placeholder", "")
                                .bytes())
                        .entry()
                        .name())
                .isEqualTo(name);
        assertThat(only(new TarFile()
                                .gnuLong('L', long1)
                                .file("placeholder", "")
                                .bytes())
                        .entry()
                        .name())
                .isEqualTo(long1);
    }

    @Test
    void keepsTheBytesOfUtf8Names() throws IOException {
        var entry =
                only(new TarFile().pax("path", "grün/β").file("x", "").bytes()).entry();

        assertThat(ByteNames.bytes(entry.name())).isEqualTo("grün/β".getBytes(StandardCharsets.UTF_8));
        assertThat(ByteNames.text(entry.name())).isEqualTo("grün/β");
    }

    @Test
    void readsLongLinkTargetsOfGnuAndPax() throws IOException {
        var target = "t".repeat(300);

        assertThat(only(new TarFile().gnuLong('K', target).symlink("a", "").bytes())
                        .entry()
                        .linkName())
                .isEqualTo(target);
        assertThat(only(new TarFile().pax("linkpath", target).symlink("a", "x").bytes())
                        .entry()
                        .linkName())
                .isEqualTo(target);
    }

    @Test
    void joinsThePrefixOfUstarButNotThatOfGnu() throws IOException {
        var tar = new TarFile();
        var ustar = tar.header("name", '0', "", 0, 0, 0);
        TarFile.put(ustar, 345, "some/prefix");
        var gnu = tar.header("name", '0', "", 0, 0, 0);
        TarFile.put(gnu, 257, "ustar  \0");
        TarFile.put(gnu, 345, "some/prefix");

        var entries = read(tar.raw(ustar, new byte[0]).raw(gnu, new byte[0]).bytes());

        assertThat(entries.get(0).entry().name()).isEqualTo("some/prefix/name");
        assertThat(entries.get(1).entry().name()).isEqualTo("name");
    }

    @Test
    void takesAnOldEntryWhoseNameEndsInASlashForADirectory() throws IOException {
        var tar = new TarFile();
        var header = tar.header("old/", '\0', "", 0, 0, 0);
        Arrays.fill(header, 257, 265, (byte) 0);

        assertThat(only(tar.raw(header, new byte[0]).bytes()).entry().type()).isEqualTo(Type.DIRECTORY);
    }

    @Test
    void readsNumbersInBase256AndFromPaxRecords() throws IOException {
        var big = only(new TarFile()
                        .owner(3_000_000_000L, -2)
                        .mtime(-5)
                        .file("a", "")
                        .bytes())
                .entry();
        var pax = only(new TarFile()
                .pax("uid", "4000000000")
                .pax("size", "3")
                .entry("a", '0', "", new byte[0], 0, 0)
                .data("abc".getBytes(StandardCharsets.US_ASCII))
                .bytes());

        assertThat(big.uid()).isEqualTo(3_000_000_000L);
        assertThat(big.gid()).isEqualTo(-2);
        assertThat(big.mtimeSeconds()).isEqualTo(-5);
        assertThat(pax.entry().uid()).isEqualTo(4_000_000_000L);
        assertThat(pax.content()).asString().isEqualTo("abc");
    }

    @Test
    void readsTimesWithNanoseconds() throws IOException {
        var after = only(new TarFile()
                        .pax("mtime", "1700000000.1234567899")
                        .file("a", "")
                        .bytes())
                .entry();
        var before =
                only(new TarFile().pax("mtime", "-1.25").file("a", "").bytes()).entry();
        var whole = only(new TarFile().pax("mtime", "12").file("a", "").bytes()).entry();

        assertThat(after.mtimeSeconds()).isEqualTo(1_700_000_000);
        assertThat(after.mtimeNanos()).isEqualTo(123_456_789);
        assertThat(before.mtimeSeconds()).isEqualTo(-2);
        assertThat(before.mtimeNanos()).isEqualTo(750_000_000);
        assertThat(whole.mtimeNanos()).isZero();
    }

    @Test
    void readsExtendedAttributesAsRawBytes() throws IOException {
        var capability = new byte[] {1, 0, 0, 2, (byte) 0xff, '=', '\n', 0};
        var entry = only(new TarFile()
                        .pax("SCHILY.xattr.security.capability", capability)
                        .pax("SCHILY.xattr.user.empty", new byte[0])
                        .pax("LIBARCHIVE.xattr.user.per%20cent", "/v8A")
                        .pax("LIBARCHIVE.xattr.security.capability", "AAAA")
                        .file("a", "")
                        .bytes())
                .entry();

        assertThat(entry.xattrs().keySet()).containsExactly("security.capability", "user.empty", "user.per cent");
        assertThat(entry.xattrs().get("security.capability")).isEqualTo(capability);
        assertThat(entry.xattrs().get("user.empty")).isEmpty();
        assertThat(entry.xattrs().get("user.per cent")).isEqualTo(new byte[] {(byte) 0xfe, (byte) 0xff, 0});
    }

    @Test
    void recordsOfOneEntryDoNotTouchTheNext() throws IOException {
        var entries = read(new TarFile()
                .pax("SCHILY.xattr.user.a", "1")
                .pax("path", "first")
                .file("x", "")
                .file("second", "")
                .bytes());

        assertThat(entries.get(1).entry().name()).isEqualTo("second");
        assertThat(entries.get(1).entry().xattrs()).isEmpty();
    }

    @Test
    void ignoresGlobalHeaders() throws IOException {
        var tar = new TarFile();
        var record = TarFile.record("path", "evil".getBytes(StandardCharsets.US_ASCII));
        tar.raw(tar.header("pax_global_header", 'g', "", record.length, 0, 0), record)
                .file("good", "");

        assertThat(only(tar.bytes()).entry().name()).isEqualTo("good");
    }

    @Test
    void fillsTheHolesOfSparseFilesOfEveryKind() throws IOException {
        var expected = new byte[10_000];
        Arrays.fill(expected, 1000, 1700, (byte) 'a');
        Arrays.fill(expected, 9000, 9100, (byte) 'b');
        var stored = new byte[800];
        Arrays.fill(stored, 0, 700, (byte) 'a');
        Arrays.fill(stored, 700, 800, (byte) 'b');

        assertThat(only(oldGnuSparse(stored)).content()).isEqualTo(expected);
        assertThat(only(sparse00(stored)).content()).isEqualTo(expected);
        var format01 = new TarFile()
                .pax("GNU.sparse.map", "1000,700,9000,100,10000,0")
                .pax("GNU.sparse.size", "10000")
                .pax("GNU.sparse.name", "real/name")
                .file("GNUSparseFile.1/name", stored)
                .bytes();
        assertThat(only(format01).content()).isEqualTo(expected);
        assertThat(only(format01).entry().name()).isEqualTo("real/name");
        assertThat(only(format01).entry().sizeBytes()).isEqualTo(10_000);
        var map = Arrays.copyOf("3\n1000\n700\n9000\n100\n10000\n0\n".getBytes(StandardCharsets.US_ASCII), 512);
        var withMap = new ByteArrayOutputStream();
        withMap.writeBytes(map);
        withMap.writeBytes(stored);
        var format10 = new TarFile()
                .pax("GNU.sparse.major", "1")
                .pax("GNU.sparse.minor", "0")
                .pax("GNU.sparse.realsize", "10000")
                .pax("GNU.sparse.name", "real/name")
                .file("GNUSparseFile.1/name", withMap.toByteArray())
                .file("next", "untouched")
                .bytes();
        assertThat(read(format10).get(0).content()).isEqualTo(expected);
        assertThat(read(format10).get(1).content()).asString().isEqualTo("untouched");
    }

    private static byte[] oldGnuSparse(byte[] stored) {
        var tar = new TarFile();
        var header = tar.header("sparse", 'S', "", stored.length, 0, 0);
        TarFile.put(header, 257, "ustar  \0");
        TarFile.number(header, 386, 12, 1000);
        TarFile.number(header, 398, 12, 700);
        for (var i = 1; i < 4; i++) { // empty parts, so that the last one lies in the extension
            TarFile.number(header, 386 + 24 * i, 12, 2000 + i);
            TarFile.number(header, 398 + 24 * i, 12, 0);
        }
        header[482] = 1;
        TarFile.number(header, 483, 12, 10_000);
        var extension = new byte[512];
        TarFile.number(extension, 0, 12, 9000);
        TarFile.number(extension, 12, 12, 100);
        return tar.raw(header, extension).data(stored).bytes();
    }

    private static byte[] sparse00(byte[] stored) {
        var records = new ByteArrayOutputStream();
        for (var pair : List.of(
                "GNU.sparse.size=10000",
                "GNU.sparse.offset=1000",
                "GNU.sparse.numbytes=700",
                "GNU.sparse.offset=9000",
                "GNU.sparse.numbytes=100")) {
            var parts = pair.split("=");
            records.writeBytes(TarFile.record(parts[0], parts[1].getBytes(StandardCharsets.US_ASCII)));
        }
        var tar = new TarFile();
        return tar.raw(tar.header("pax", 'x', "", records.size(), 0, 0), records.toByteArray())
                .file("sparse", stored)
                .bytes();
    }

    @Test
    void refusesASparseMapThatDoesNotFit() {
        var archive = new TarFile()
                .pax("GNU.sparse.map", "0,700,500,100")
                .pax("GNU.sparse.size", "10000")
                .file("sparse", new byte[800])
                .bytes();

        assertThatThrownBy(() -> read(archive))
                .isInstanceOf(CorruptTarException.class)
                .hasMessageContaining("map does not fit");
    }

    @Test
    void ignoresASizeOnEntriesWithoutContent() throws IOException {
        var tar = new TarFile();
        tar.raw(tar.header("link", '1', "target", 5000, 0, 0), new byte[0]).file("next", "here");

        assertThat(read(tar.bytes())).hasSize(2);
        assertThat(read(tar.bytes()).get(1).content()).asString().isEqualTo("here");
    }

    @Test
    void skipsContentThatNobodyReads() throws IOException {
        var reader = new TarReader(new ByteArrayInputStream(
                new TarFile().file("a", new byte[5000]).file("b", "b").bytes()));
        reader.next();
        reader.next();

        assertThat(reader.content().readAllBytes()).asString().isEqualTo("b");
    }

    @Test
    void endsWithoutBlocksOfZerosToo() throws IOException {
        assertThat(read(new TarFile().file("a", "content").unfinished())).hasSize(1);
        assertThat(read(new byte[0])).isEmpty();
        var unpadded = Arrays.copyOf(new TarFile().file("a", "content").unfinished(), 512 + 7);
        assertThat(only(unpadded).content()).asString().isEqualTo("content");
    }

    @Test
    void saysWhereAnArchiveIsBroken() {
        var archive = new TarFile().file("a", new byte[3000]).file("b", "b").unfinished();
        var wrongSum = archive.clone();
        wrongSum[10] ^= 1;

        assertThatThrownBy(() -> read(Arrays.copyOf(archive, 200))).hasMessageContaining("ends inside a header");
        assertThatThrownBy(() -> read(Arrays.copyOf(archive, 2000)))
                .isInstanceOf(CorruptTarException.class)
                .hasMessageContaining("ends inside an entry's content");
        assertThatThrownBy(() -> read(wrongSum)).hasMessageContaining("byte 0").hasMessageContaining("checksum");
        assertThatThrownBy(() -> read(
                        new TarFile().entry("v", 'V', "", new byte[0], 0, 0).bytes()))
                .hasMessageContaining("type 'V'");
    }

    @Test
    void refusesExtendedHeadersThatLie() {
        for (var record : List.of("99 a=b\n", "5 a=b\n", "x a=b\n", "6 =bc\n", "9999999999 a=b\n")) {
            var bytes = record.getBytes(StandardCharsets.US_ASCII);
            var tar = new TarFile();
            tar.raw(tar.header("pax", 'x', "", bytes.length, 0, 0), bytes).file("a", "");

            assertThatThrownBy(() -> read(tar.bytes())).as(record).isInstanceOf(CorruptTarException.class);
        }
        var huge = new TarFile();
        huge.raw(huge.header("pax", 'x', "", 1L << 40, 0, 0), new byte[0]);
        assertThatThrownBy(() -> read(huge.bytes())).hasMessageContaining("extended header has");
    }

    @Test
    void damagedArchivesFailInNoOtherWayThanTheSaidOne() {
        var archive = new TarFile()
                .pax("path", "x".repeat(200))
                .file("a", new byte[600])
                .pax("GNU.sparse.map", "0,10,20,10")
                .pax("GNU.sparse.size", "40")
                .file("s", new byte[20])
                .gnuLong('L', "y".repeat(300))
                .symlink("l", "t")
                .bytes();
        var random = new Random(7);
        for (var round = 0; round < 2000; round++) {
            var damaged = archive.clone();
            for (var i = 0; i < 3; i++) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
            }
            try {
                read(Arrays.copyOf(damaged, random.nextInt(damaged.length)));
            } catch (CorruptTarException e) {
                assertThat(e).hasMessageStartingWith("tar archive at byte");
            } catch (IOException e) {
                throw new AssertionError("round " + round, e);
            }
        }
    }

    @Test
    void readsWhatCommonsCompressWrites() throws IOException {
        var out = new ByteArrayOutputStream();
        try (var tar = new TarArchiveOutputStream(out, "UTF-8")) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
            var entry = new TarArchiveEntry("ä/" + "n".repeat(150));
            entry.setSize(3);
            entry.setIds(5_000_000, 6);
            tar.putArchiveEntry(entry);
            tar.write(new byte[] {1, 2, 3});
            tar.closeArchiveEntry();
        }

        var read = only(out.toByteArray());

        assertThat(ByteNames.text(read.entry().name())).isEqualTo("ä/" + "n".repeat(150));
        assertThat(read.entry().uid()).isEqualTo(5_000_000);
        assertThat(read.content()).containsExactly(1, 2, 3);
    }
}
