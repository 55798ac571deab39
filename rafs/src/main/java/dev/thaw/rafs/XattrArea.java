package dev.thaw.rafs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Extended attributes behind an inode.
 *
 * <pre>
 *  header: u32 name filter 0, u8 shared count 0, 7 bytes 0
 *  entry:  u8 length of the name without its prefix, u8 prefix, u16 length of the value, name, value, zeros up to 4 bytes
 * </pre>
 */
final class XattrArea {
    private static final int ENTRY_HEADER_BYTES = 4;
    private static final int MAX_NAME_BYTES = 255;
    private static final int MAX_VALUE_BYTES = 65535;
    /** The inode counts in units of four bytes, in 16 bits. */
    private static final int MAX_BYTES = InodeLayout.XATTR_HEADER_BYTES + 4 * (0xffff - 1);

    /** Numbers in the format; ACL names are whole, so nothing follows them. */
    @SuppressWarnings("ImmutableEnumChecker") // no one writes to the arrays
    private enum Prefix {
        USER(1, "user."),
        ACL_ACCESS(2, "system.posix_acl_access"),
        ACL_DEFAULT(3, "system.posix_acl_default"),
        TRUSTED(4, "trusted."),
        SECURITY(6, "security.");

        private static final Prefix[] ALL = values();

        final int number;
        final byte[] text;

        Prefix(int number, String text) {
            this.number = number;
            this.text = text.getBytes(StandardCharsets.US_ASCII);
        }

        boolean isWhole() {
            return this == ACL_ACCESS || this == ACL_DEFAULT;
        }

        boolean fits(byte[] name) {
            return isWhole()
                    ? Arrays.equals(name, text)
                    : name.length > text.length && Arrays.equals(text, 0, text.length, name, 0, text.length);
        }
    }

    private XattrArea() {}

    static List<Xattr> read(Image image, long start, int length) throws CorruptImageException {
        if (image.u8(start + 4) != 0) {
            throw image.corrupt(start + 4, "shared xattrs are not allowed");
        }
        var xattrs = new ArrayList<Xattr>();
        long at = start + InodeLayout.XATTR_HEADER_BYTES;
        long end = start + length;
        while (at < end) {
            int nameLength = image.u8(at);
            int valueLength = image.u16(at + 2);
            var prefix = prefix(image, at);
            long next = at + Image.roundUp(ENTRY_HEADER_BYTES + nameLength + valueLength, 4);
            if (next > end) {
                throw image.corrupt(at, "xattr reaches beyond the inode's xattrs");
            }
            if (prefix.isWhole() != (nameLength == 0)) {
                throw image.corrupt(at, "xattr name has a wrong length");
            }
            byte[] name = Arrays.copyOf(prefix.text, prefix.text.length + nameLength);
            byte[] rest = image.copy(at + ENTRY_HEADER_BYTES, nameLength);
            System.arraycopy(rest, 0, name, prefix.text.length, nameLength);
            for (byte b : rest) {
                if (b == 0) {
                    throw image.corrupt(at, "xattr name holds a NUL byte");
                }
            }
            xattrs.add(new Xattr(name, image.copy(at + ENTRY_HEADER_BYTES + nameLength, valueLength)));
            at = next;
        }
        return List.copyOf(xattrs);
    }

    private static Prefix prefix(Image image, long at) throws CorruptImageException {
        int number = image.u8(at + 1);
        for (var prefix : Prefix.ALL) {
            if (prefix.number == number) {
                return prefix;
            }
        }
        throw image.corrupt(at + 1, "unknown xattr prefix " + number);
    }

    /** Attributes in the order in which they are stored, one per name. Fails, naming the file, on what the format cannot hold. */
    static List<Xattr> storable(List<Xattr> xattrs, String file) throws IOException {
        if (xattrs.isEmpty()) {
            return xattrs;
        }
        var sorted = new ArrayList<>(xattrs);
        sorted.sort((a, b) -> Arrays.compareUnsigned(a.name(), b.name()));
        for (int i = 0; i < sorted.size(); i++) {
            var xattr = sorted.get(i);
            var prefix = prefix(xattr.name());
            if (prefix == null) {
                throw new IOException(file + ": xattr " + xattr.text()
                        + " cannot be stored; only user., trusted., security. and the POSIX ACLs can");
            }
            if (xattr.name().length > MAX_NAME_BYTES || xattr.value().length > MAX_VALUE_BYTES) {
                throw new IOException(file + ": xattr " + xattr.text() + " is too long: name of " + xattr.name().length
                        + " bytes (at most " + MAX_NAME_BYTES + "), value of " + xattr.value().length + " (at most "
                        + MAX_VALUE_BYTES + ")");
            }
            for (byte b : xattr.name()) {
                if (b == 0) {
                    throw new IOException(file + ": xattr name holds a NUL byte");
                }
            }
            if (i > 0 && Arrays.equals(xattr.name(), sorted.get(i - 1).name())) {
                throw new IOException(file + ": xattr " + xattr.text() + " is given twice");
            }
        }
        if (size(sorted) > MAX_BYTES) {
            throw new IOException(
                    file + ": xattrs need " + size(sorted) + " bytes; at most " + MAX_BYTES + " can be stored");
        }
        return List.copyOf(sorted);
    }

    /** Bytes that the attributes take behind the inode. */
    static int size(List<Xattr> xattrs) {
        if (xattrs.isEmpty()) {
            return 0;
        }
        long size = InodeLayout.XATTR_HEADER_BYTES;
        for (var xattr : xattrs) {
            size += Image.roundUp(ENTRY_HEADER_BYTES + restLength(xattr.name()) + xattr.value().length, 4);
        }
        return (int) Math.min(size, Integer.MAX_VALUE);
    }

    /** The inode's count field. */
    static int count(List<Xattr> xattrs) {
        return xattrs.isEmpty() ? 0 : 1 + (size(xattrs) - InodeLayout.XATTR_HEADER_BYTES) / 4;
    }

    static void write(ImageWriter out, List<Xattr> xattrs) throws IOException {
        if (xattrs.isEmpty()) {
            return;
        }
        out.zeroTo(out.position() + InodeLayout.XATTR_HEADER_BYTES);
        for (var xattr : xattrs) {
            var prefix = prefix(xattr.name());
            if (prefix == null) {
                throw new IllegalStateException("xattr " + xattr.text() + " was not checked");
            }
            int rest = xattr.name().length - prefix.text.length;
            long end = out.position() + Image.roundUp(ENTRY_HEADER_BYTES + rest + xattr.value().length, 4);
            out.u8(rest)
                    .u8(prefix.number)
                    .u16(xattr.value().length)
                    .bytes(xattr.name(), prefix.text.length, rest)
                    .bytes(xattr.value())
                    .zeroTo(end);
        }
    }

    private static int restLength(byte[] name) {
        var prefix = prefix(name);
        return prefix == null ? name.length : name.length - prefix.text.length;
    }

    private static @Nullable Prefix prefix(byte[] name) {
        for (var prefix : Prefix.ALL) {
            if (prefix.fits(name)) {
                return prefix;
            }
        }
        return null;
    }
}
