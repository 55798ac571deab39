package dev.thaw.converter.layer;

import dev.thaw.converter.layer.LayerItem.Attributes;
import dev.thaw.converter.layer.LayerItem.Kind;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.tar.ByteNames;
import dev.thaw.converter.tar.TarEntry;
import dev.thaw.converter.tar.TarReader;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Turns the entries of a layer's tar into the steps that unpacking it takes, by containerd's rules ({@code pkg/archive}).
 *
 * <p>Where containerd would fail, so does this, with {@link FailureReason#UnsafeLayer} or {@link FailureReason#CorruptLayer}. It
 * is more lenient in two things: a whiteout may come behind the file of the same name, which it does not hide then (as the OCI
 * specification has it), and sparse files of the old GNU kind are read.
 *
 * <p>What containerd drops is dropped: the root's own entry, {@code trusted.*} attributes (a layer that could bring {@code
 * trusted.overlay.opaque} could play tricks on the overlay above it), {@code user.*} attributes of anything but files and
 * directories, and name spaces that Linux file systems do not store. Times before 1970 and beyond 2262 become 0.
 */
public final class LayerReader {
    /** RAFS addresses 2^44 bytes. */
    private static final long MAX_FILE_BYTES = 1L << 44;

    private static final int MAX_SYMLINK_BYTES = 4095;
    /** XATTR_SIZE_MAX of Linux is 65536; RAFS stores one byte less. */
    private static final int MAX_XATTR_VALUE_BYTES = 65535;

    private static final int MAX_XATTR_NAME_BYTES = 255;
    /** RAFS counts the attributes of a file in 16 bits, in units of four bytes. */
    private static final int MAX_XATTR_TOTAL_BYTES = 65_000 * 4;

    private static final long MAX_TIME_SECONDS = Long.MAX_VALUE / 1_000_000_000;
    private static final int MAX_DEVICE_MAJOR = 0xfff;
    private static final int MAX_DEVICE_MINOR = 0xfffff;

    private final TarReader tar;
    private final LayerTree tree = new LayerTree();
    private final Deque<LayerItem> ready = new ArrayDeque<>();

    public LayerReader(InputStream uncompressed) {
        this.tar = new TarReader(uncompressed);
    }

    /** The content of the file that {@link #next} returned last. */
    public InputStream content() {
        return tar.content();
    }

    /** Where in the archive that content begins; -1 if it does not lie there in one piece. */
    public long contentOffset() {
        return tar.contentOffset();
    }

    /** The next step; null when the archive is over. */
    public @Nullable LayerItem next() throws IOException {
        while (ready.isEmpty()) {
            var entry = tar.next();
            if (entry == null) {
                return null;
            }
            unpack(entry);
        }
        return ready.removeFirst();
    }

    private void unpack(TarEntry entry) throws ConversionException {
        var path = tree.place(entry.name(), ready::addLast);
        if (path == null) {
            return;
        }
        var name = path.substring(path.lastIndexOf('/') + 1);
        if (name.equals(LayerItem.OPAQUE_NAME)) {
            ready.addLast(mark(path, Kind.OPAQUE));
            return;
        }
        if (name.startsWith(LayerItem.WHITEOUT_PREFIX)) {
            var hidden = name.substring(LayerItem.WHITEOUT_PREFIX.length());
            if (hidden.isEmpty() || hidden.equals(".") || hidden.equals("..")) {
                throw unsafe(entry, "it is a whiteout of nothing that it may delete");
            }
            ready.addLast(mark(path, Kind.WHITEOUT));
            return;
        }
        var item = item(entry, path);
        tree.add(item);
        ready.addLast(item);
    }

    private static LayerItem mark(String path, Kind kind) {
        return new LayerItem(path, kind, LayerTree.IMPLIED_ATTRIBUTES, 0, "", 0, 0, false);
    }

    private LayerItem item(TarEntry entry, String path) throws ConversionException {
        var kind = switch (entry.type()) {
            case FILE -> Kind.FILE;
            case HARD_LINK -> Kind.HARD_LINK;
            case SYMLINK -> Kind.SYMLINK;
            case CHARACTER_DEVICE -> Kind.CHARACTER_DEVICE;
            case BLOCK_DEVICE -> Kind.BLOCK_DEVICE;
            case DIRECTORY -> Kind.DIRECTORY;
            case FIFO -> Kind.FIFO;
        };
        var attributes = attributes(entry, kind);
        tree.clear(path, kind);
        if (kind == Kind.HARD_LINK) {
            return tree.link(path, entry.linkName(), attributes);
        }
        if (kind == Kind.SYMLINK
                && (entry.linkName().isEmpty() || entry.linkName().length() > MAX_SYMLINK_BYTES)) {
            throw unsafe(entry, "a symbolic link's target must have 1 to " + MAX_SYMLINK_BYTES + " bytes");
        }
        if (entry.sizeBytes() > MAX_FILE_BYTES) {
            throw unsafe(entry, "a file of " + entry.sizeBytes() + " bytes is larger than the format can address");
        }
        if (entry.devMajor() < 0
                || entry.devMajor() > MAX_DEVICE_MAJOR
                || entry.devMinor() < 0
                || entry.devMinor() > MAX_DEVICE_MINOR) {
            throw unsafe(entry, "Linux has no device " + entry.devMajor() + ":" + entry.devMinor());
        }
        return new LayerItem(
                path,
                kind,
                attributes,
                kind == Kind.FILE ? entry.sizeBytes() : 0,
                entry.linkName(),
                (int) entry.devMajor(),
                (int) entry.devMinor(),
                false);
    }

    private static Attributes attributes(TarEntry entry, Kind kind) throws ConversionException {
        var seconds = entry.mtimeSeconds();
        var isBounded = seconds >= 0 && seconds < MAX_TIME_SECONDS;
        return new Attributes(
                kind == Kind.SYMLINK ? 0777 : entry.mode(),
                id(entry, entry.uid(), "user"),
                id(entry, entry.gid(), "group"),
                isBounded ? seconds : 0,
                isBounded ? entry.mtimeNanos() : 0,
                xattrs(entry, kind));
    }

    private static int id(TarEntry entry, long id, String what) throws ConversionException {
        if (id < 0 || id >= 0xffff_ffffL) { // the last one means "leave as it is" to chown(2)
            throw unsafe(entry, "its " + what + " id is " + id);
        }
        return (int) id;
    }

    private static SortedMap<String, byte[]> xattrs(TarEntry entry, Kind kind) throws ConversionException {
        if (entry.xattrs().isEmpty()) {
            return LayerTree.IMPLIED_ATTRIBUTES.xattrs();
        }
        var xattrs = new TreeMap<String, byte[]>();
        var total = 0L;
        for (var xattr : entry.xattrs().entrySet()) {
            var name = xattr.getKey();
            if (!isStored(name, kind)) {
                continue;
            }
            if (name.length() > MAX_XATTR_NAME_BYTES || xattr.getValue().length > MAX_XATTR_VALUE_BYTES) {
                throw unsafe(entry, "the extended attribute " + ByteNames.text(name) + " is too long");
            }
            total += 8L + name.length() + xattr.getValue().length;
            xattrs.put(name, xattr.getValue());
        }
        if (total > MAX_XATTR_TOTAL_BYTES) {
            throw unsafe(entry, "its extended attributes have " + total + " bytes together");
        }
        return Collections.unmodifiableSortedMap(xattrs);
    }

    private static boolean isStored(String name, Kind kind) {
        if (name.indexOf('\0') >= 0) {
            return false;
        }
        var isPlain = kind == Kind.FILE || kind == Kind.DIRECTORY || kind == Kind.HARD_LINK;
        return name.startsWith("security.") && name.length() > "security.".length()
                || name.startsWith("user.") && name.length() > "user.".length() && isPlain
                || kind != Kind.SYMLINK
                        && (name.equals("system.posix_acl_access")
                                || name.equals("system.posix_acl_default") && kind == Kind.DIRECTORY);
    }

    private static ConversionException unsafe(TarEntry entry, String why) {
        return new ConversionException(
                FailureReason.UnsafeLayer, "entry " + ByteNames.text(entry.name()) + " cannot be unpacked: " + why);
    }
}
