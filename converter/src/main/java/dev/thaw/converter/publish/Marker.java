package dev.thaw.converter.publish;

import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.oci.MediaTypes;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/**
 * The lowest layer of a lazy image: a tar without any file, whose only entry is a global PAX header that names the artifact. It
 * makes every chain ID of the lazy image its own, so that its snapshots are never taken for those of the source image.
 *
 * <pre>
 *     0  512  header: name "pax_global_header", type 'g'
 *   512  512  "N thaw.dev.conversion=sha256:…\n"
 *  1024 1024  two blocks of zeros
 * </pre>
 *
 * @param gzip the layer as stored
 * @param diffId digest of the tar
 */
@SuppressWarnings("ArrayRecordComponent") // equality is never asked
public record Marker(byte[] gzip, Digest diffId) {
    private static final int BLOCK = 512;
    /** GZIP header of RFC 1952: deflate, no flags, no time, no extra flags, unknown system. */
    private static final byte[] GZIP_HEADER = {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, (byte) 0xff};

    public static Marker of(Digest artifact) {
        var tar = tar(artifact);
        return new Marker(gzip(tar), Digest.sha256(tar));
    }

    /** The layer's entry in a manifest. */
    public Descriptor descriptor() {
        return Descriptor.of(MediaTypes.OCI_LAYER_GZIP, gzip);
    }

    private static byte[] tar(Digest artifact) {
        var record = record(LazyNames.MARKER_RECORD + "=" + artifact);
        var tar = new byte[4 * BLOCK];
        // A name that nothing else has: unpackers that do not skip the entry early would otherwise take it for the
        // root.
        put(tar, 0, "pax_global_header");
        put(tar, 100, "0000644\0");
        put(tar, 108, "0000000\0");
        put(tar, 116, "0000000\0");
        put(tar, 124, "%011o\0".formatted(record.length));
        put(tar, 136, "00000000000\0");
        put(tar, 148, "        ");
        put(tar, 156, "g");
        put(tar, 257, "ustar\0" + "00");
        var sum = 0;
        for (var i = 0; i < BLOCK; i++) {
            sum += tar[i] & 0xff;
        }
        put(tar, 148, "%06o\0 ".formatted(sum));
        System.arraycopy(record, 0, tar, BLOCK, record.length);
        return tar;
    }

    /** A PAX record begins with its own length, the digits of which count too. */
    private static byte[] record(String keyAndValue) {
        var length = keyAndValue.length() + 2;
        var total = length + Integer.toString(length).length();
        total = length + Integer.toString(total).length();
        return (total + " " + keyAndValue + "\n").getBytes(StandardCharsets.US_ASCII);
    }

    private static void put(byte[] tar, int at, String text) {
        var bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, tar, at, bytes.length);
    }

    private static byte[] gzip(byte[] content) {
        var out = new ByteArrayOutputStream();
        out.writeBytes(GZIP_HEADER);
        try (var deflater = new Deflater(Deflater.BEST_COMPRESSION, true)) {
            deflater.setInput(content);
            deflater.finish();
            var buffer = new byte[content.length];
            while (!deflater.finished()) {
                out.write(buffer, 0, deflater.deflate(buffer));
            }
        }
        var crc = new CRC32();
        crc.update(content);
        writeLittleEndian(out, crc.getValue());
        writeLittleEndian(out, content.length);
        return out.toByteArray();
    }

    private static void writeLittleEndian(ByteArrayOutputStream out, long value) {
        for (var shift = 0; shift < 32; shift += 8) {
            out.write((int) (value >>> shift));
        }
    }
}
