package dev.thaw.converter.layer;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.github.luben.zstd.Zstd;
import dev.thaw.converter.layer.LayerStream.Promise;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.tar.CorruptTarException;
import dev.thaw.converter.tar.TarFile;
import dev.thaw.converter.tar.TarReader;
import dev.thaw.fuzz.Fuzz;
import dev.thaw.oci.Digest;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Source layers, damaged: their compression, their tar, and the steps that are made of it. */
@Tag("fuzz")
class FuzzedLayersTest {
    private static final int BLOCK = 512;
    /** A stream that a few damaged bytes can make long is read no further than this. */
    private static final long ENOUGH = 64 << 20;

    private static byte[] tar() {
        return new TarFile()
                .directory("a/")
                .file("a/file", "content")
                .pax("path", "a/" + "long/".repeat(40) + "name")
                .pax("mtime", "1700000000.123456789")
                .pax("SCHILY.xattr.user.note", "value")
                .pax("uid", "3000000")
                .file("short", "content".repeat(200))
                .hardLink("a/hard", "a/file")
                .symlink("link", "a")
                .file("link/through", "x")
                .file("a/.wh.file", "")
                .file("a/.wh..wh..opq", "")
                .pax("GNU.sparse.major", "1")
                .pax("GNU.sparse.minor", "0")
                .pax("GNU.sparse.realsize", "100000")
                .file("sparse", "1\n512\n5\n" + "\0".repeat(BLOCK - 8) + "12345")
                .pax("GNU.sparse.size", "100000")
                .pax("GNU.sparse.map", "0,3,5000,2")
                .file("sparse-0.1", "12345")
                .bytes();
    }

    private static Fuzz fuzz(String target) {
        return Fuzz.target(target)
                .seed(tar())
                .word("GNU.sparse.map=")
                .word("GNU.sparse.realsize=")
                .word("SCHILY.xattr.")
                .word("../")
                .word("path=")
                .word("99999999999")
                .word("\n")
                .repairedBy(FuzzedLayersTest::withChecksums)
                .mayThrow(CorruptTarException.class);
    }

    /** Makes the checksum of everything that looks like a header right. */
    private static byte[] withChecksums(byte[] tar) {
        for (int at = 0; at + BLOCK <= tar.length; at += BLOCK) {
            boolean header = tar[at + 257] == 'u' && tar[at + 258] == 's' && tar[at + 259] == 't';
            if (header) {
                Arrays.fill(tar, at + 148, at + 156, (byte) ' ');
                int sum = 0;
                for (int i = at; i < at + BLOCK; i++) {
                    sum += tar[i] & 0xff;
                }
                var text = "%06o\0 ".formatted(sum).getBytes(ISO_8859_1);
                System.arraycopy(text, 0, tar, at + 148, text.length);
            }
        }
        return tar;
    }

    private static void readSome(InputStream in) throws IOException {
        byte[] buffer = new byte[1 << 16];
        long left = ENOUGH;
        for (int n = in.read(buffer); n >= 0 && left > 0; n = in.read(buffer)) {
            left -= n;
        }
    }

    @Test
    void archives() throws Exception {
        fuzz("tar").run(input -> {
            var tar = new TarReader(new ByteArrayInputStream(input));
            for (var entry = tar.next(); entry != null; entry = tar.next()) {
                readSome(tar.content());
            }
        });
    }

    @Test
    void layers() throws Exception {
        fuzz("layer").mayThrow(ConversionException.class).run(input -> {
            var layer = new LayerReader(new ByteArrayInputStream(input));
            for (var item = layer.next(); item != null; item = layer.next()) {
                if (Arrays.asList(item.path().split("/", -1)).contains("..")
                        || item.path().startsWith("/")) {
                    throw new AssertionError("a path leads out of the root: " + item.path());
                }
                if (item.sizeBytes() < ENOUGH) {
                    readSome(layer.content());
                }
            }
        });
    }

    @Test
    void compressedStreams() throws Exception {
        var tar = tar();
        var gzip = new ByteArrayOutputStream();
        for (int member = 0; member < 2; member++) {
            try (var out = new GZIPOutputStream(gzip)) {
                out.write(tar);
            }
        }
        Fuzz.target("gzip and zstd")
                .seed(gzip.toByteArray())
                .seed(Zstd.compress(tar))
                .seed(new byte[] {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3})
                .mayThrow(ConversionException.class)
                .run(input -> {
                    var promise = new Promise(
                            Digest.sha256(input).toString(),
                            input.length,
                            Digest.sha256(tar).toString());
                    try (var stream = new LayerStream(new ByteArrayInputStream(input), promise)) {
                        try {
                            stream.content().transferTo(OutputStream.nullOutputStream());
                            stream.finish();
                        } catch (IOException e) {
                            throw stream.explain(e);
                        }
                    }
                });
    }
}
