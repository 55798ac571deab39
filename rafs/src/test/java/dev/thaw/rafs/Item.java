package dev.thaw.rafs;

import dev.thaw.rafs.LayerEntry.Kind;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** One entry of a layer under test with its content. Paths are strings of bytes: each character is one (ISO 8859-1). */
@SuppressWarnings("ArrayRecordComponent") // compared by identity only
public record Item(LayerEntry entry, byte[] content) {
    private static final byte[] NOTHING = {};

    static Item directory(String path) {
        return of(path, Kind.DIRECTORY, NOTHING, "");
    }

    static Item file(String path, byte[] content) {
        return of(path, Kind.FILE, content, "");
    }

    static Item file(String path, String content) {
        return file(path, bytes(content));
    }

    static Item symlink(String path, String target) {
        return of(path, Kind.SYMLINK, NOTHING, target);
    }

    static Item link(String path, String target) {
        return of(path, Kind.HARD_LINK, NOTHING, target);
    }

    static Item special(String path, Kind kind, int major, int minor) {
        var item = of(path, kind, NOTHING, "");
        var e = item.entry;
        return new Item(
                new LayerEntry(
                        e.path(),
                        kind,
                        e.mode(),
                        e.uid(),
                        e.gid(),
                        e.mtimeSeconds(),
                        e.mtimeNanos(),
                        0,
                        e.linkTarget(),
                        major,
                        minor,
                        e.xattrs()),
                NOTHING);
    }

    private static Item of(String path, Kind kind, byte[] content, String target) {
        int mode = kind == Kind.DIRECTORY ? 0755 : 0644;
        return new Item(
                new LayerEntry(
                        bytes(path),
                        kind,
                        mode,
                        0,
                        0,
                        1_700_000_000,
                        0,
                        content.length,
                        bytes(target),
                        0,
                        0,
                        List.of()),
                content);
    }

    Item mode(int mode) {
        var e = entry;
        return with(mode, e.uid(), e.gid(), e.mtimeSeconds(), e.mtimeNanos(), e.xattrs());
    }

    Item owner(int uid, int gid) {
        var e = entry;
        return with(e.mode(), uid, gid, e.mtimeSeconds(), e.mtimeNanos(), e.xattrs());
    }

    Item mtime(long seconds, int nanos) {
        var e = entry;
        return with(e.mode(), e.uid(), e.gid(), seconds, nanos, e.xattrs());
    }

    Item xattr(String name, byte[] value) {
        var e = entry;
        var xattrs = new ArrayList<>(e.xattrs());
        xattrs.add(Xattr.of(name, value));
        return with(e.mode(), e.uid(), e.gid(), e.mtimeSeconds(), e.mtimeNanos(), xattrs);
    }

    Item onlyXattrs(Predicate<String> kept) {
        var e = entry;
        var xattrs =
                e.xattrs().stream().filter(xattr -> kept.test(xattr.text())).toList();
        return with(e.mode(), e.uid(), e.gid(), e.mtimeSeconds(), e.mtimeNanos(), xattrs);
    }

    private Item with(int mode, int uid, int gid, long seconds, int nanos, List<Xattr> xattrs) {
        var e = entry;
        return new Item(
                new LayerEntry(
                        e.path(),
                        e.kind(),
                        mode,
                        uid,
                        gid,
                        seconds,
                        nanos,
                        e.sizeBytes(),
                        e.linkTarget(),
                        e.devMajor(),
                        e.devMinor(),
                        xattrs),
                content);
    }

    public String path() {
        return new String(entry.path(), StandardCharsets.ISO_8859_1);
    }

    public static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
