package dev.thaw.rafs;

import dev.thaw.rafs.LayerEntry.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;

/** A tree with one of everything that has ever gone wrong somewhere, as two layers. */
final class Corpus {
    private static final long SEED = 20260101;

    private Corpus() {}

    static byte[] incompressible(int length, long seed) {
        byte[] bytes = new byte[length];
        new SplittableRandom(seed).nextBytes(bytes);
        return bytes;
    }

    static byte[] compressible(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) ("the quick brown fox ".charAt(i % 20) + i / 5000 % 7);
        }
        return bytes;
    }

    /** The lower layer. Some of its files have {@code chunkSize} bytes and one more or less. */
    static List<Item> lower(int chunkSize) {
        var items = new ArrayList<Item>();
        items.add(Item.directory("").mode(01777).mtime(1_600_000_000, 123_456_789));
        contents(items, chunkSize);
        links(items);
        directories(items);
        names(items);
        attributes(items);
        xattrs(items);
        specials(items);
        items.add(Item.file("missing/parents/of/this", "parents are implied"));
        items.add(Item.file("repeated", "first"));
        items.add(Item.file("repeated", "second, longer"));
        items.add(Item.directory("turned"));
        items.add(Item.file("turned/below", "gone"));
        items.add(Item.file("turned", "now a file"));
        items.add(Item.file(".wh.never-there", ""));
        items.add(Item.file("directories/.wh..wh..opq", ""));
        return items;
    }

    private static void contents(List<Item> items, int chunkSize) {
        items.add(Item.directory("contents"));
        for (int size : new int[] {0, 1, 4095, 4096, 4097, chunkSize - 1, chunkSize, chunkSize + 1}) {
            items.add(Item.file("contents/size-" + size, incompressible(size, SEED + size)));
        }
        items.add(Item.file("contents/several-chunks", incompressible(5 * chunkSize + 77, SEED + 1)));
        items.add(Item.file("contents/compressible", compressible(3 * chunkSize + 5)));
        items.add(Item.file("contents/zeros", new byte[4 * chunkSize + 9]));
        items.add(Item.file("contents/duplicate", incompressible(5 * chunkSize + 77, SEED + 1)));
        items.add(Item.file("contents/in-both-layers", incompressible(2 * chunkSize, SEED + 2)));
    }

    private static void links(List<Item> items) {
        items.add(Item.directory("links"));
        items.add(Item.directory("links/elsewhere"));
        items.add(Item.file("links/file", "has three names"));
        items.add(Item.link("links/second", "links/file"));
        items.add(Item.link("links/elsewhere/third", "links/second"));
        items.add(Item.file("links/replaced-above", "the other name stays"));
        items.add(Item.link("links/stays", "links/replaced-above"));
        items.add(Item.file("links/replaced-here", "old"));
        items.add(Item.link("links/keeps-old", "links/replaced-here"));
        items.add(Item.file("links/replaced-here", "new"));
        for (int length : new int[] {1, 59, 4000, 4031, 4032, 4033, 4095}) {
            items.add(Item.symlink("links/symlink-" + length, "t".repeat(length)));
        }
        items.add(Item.symlink("links/dangling", "../nowhere/at all"));
        items.add(Item.symlink("links/absolute", "/contents/size-1"));
        items.add(Item.link("links/symlink-twice", "links/symlink-59"));
    }

    private static void directories(List<Item> items) {
        items.add(Item.directory("directories/empty"));
        items.add(Item.directory("directories/one"));
        items.add(Item.file("directories/one/entry", "1"));
        items.add(Item.directory("directories/many"));
        for (int i = 0; i < 5000; i++) {
            items.add(Item.file("directories/many/entry-" + i, i % 50 == 0 ? "content " + i : ""));
        }
        // "." and ".." take 27 bytes, each entry 12 and its name: 27 + 15 * 267 = 4032 bytes just fit behind an inode
        // of 64.
        fill(items, "directories/tail-fits", 15, 255);
        fill(items, "directories/tail-misses", 15, 254);
        items.add(Item.file("directories/tail-misses/four", ""));
        fill(items, "directories/whole-block", 15, 255);
        items.add(Item.file("directories/whole-block/" + "w".repeat(4096 - 4032 - 12), ""));
        fill(items, "directories/almost-a-block", 15, 255);
        items.add(Item.file("directories/almost-a-block/" + "w".repeat(4095 - 4032 - 12), ""));
        fill(items, "directories/two-blocks", 16, 255);
        var deep = new StringBuilder("directories/deep");
        for (int i = 0; i < 100; i++) {
            deep.append("/d").append(i);
        }
        items.add(Item.file(deep + "/bottom", "deep"));
    }

    private static void fill(List<Item> items, String directory, int count, int nameLength) {
        items.add(Item.directory(directory));
        for (int i = 0; i < count; i++) {
            items.add(Item.file(directory + "/" + (char) ('a' + i) + "n".repeat(nameLength - 1), ""));
        }
    }

    private static void names(List<Item> items) {
        items.add(Item.directory("names"));
        for (String name : List.of(
                "!first", "-dash", " space", "\nnewline", "...", ".hidden", "\u00ff\u00fe\u0080", "\t", "~last")) {
            items.add(Item.file("names/" + name, name));
        }
        items.add(Item.file("names/" + "\u00e9".repeat(255), "255 bytes, no UTF-8"));
        items.add(Item.directory("names/caf\u00c3\u00a9").mode(0700));
    }

    private static void attributes(List<Item> items) {
        items.add(Item.directory("attributes"));
        items.add(Item.file("attributes/setuid", "#!").mode(04755));
        items.add(Item.file("attributes/setgid", "#!").mode(02755));
        items.add(Item.file("attributes/no-permissions", "x").mode(0));
        items.add(Item.directory("attributes/sticky").mode(01777));
        items.add(Item.file("attributes/owner-65535", "x").owner(65535, 65535));
        items.add(Item.file("attributes/owner-65536", "x").owner(65536, 65536));
        items.add(Item.file("attributes/owner-2-31", "x").owner(1 << 31, 1 << 31));
        items.add(Item.file("attributes/epoch", "x").mtime(0, 0));
        items.add(Item.file("attributes/before-1970", "x").mtime(-86_400, 5));
        items.add(Item.file("attributes/nanos", "x").mtime(1_700_000_000, 999_999_999));
        items.add(Item.file("attributes/beyond-2038", "x").mtime(1L << 33, 0));
    }

    private static void xattrs(List<Item> items) {
        items.add(Item.directory("xattrs").xattr("trusted.note", Item.bytes("on a directory")));
        items.add(Item.file("xattrs/several", "content behind xattrs")
                .xattr("user.second", Item.bytes("2"))
                .xattr("user.first", Item.bytes("1"))
                .xattr("user.empty", new byte[0])
                .xattr("trusted.hidden", Item.bytes("for root"))
                .xattr("security.note", Item.bytes("kept")));
        items.add(Item.file("xattrs/large", "x").xattr("user.large", incompressible(65535, SEED)));
        items.add(Item.file("xattrs/capability", "#!").xattr("security.capability", capability()));
        items.add(Item.file("xattrs/acl", "x").mode(0664).xattr("system.posix_acl_access", acl()));
        items.add(Item.directory("xattrs/acl-directory")
                .mode(0775)
                .xattr("system.posix_acl_access", acl())
                .xattr("system.posix_acl_default", acl()));
        items.add(Item.symlink("xattrs/symlink", "several").xattr("trusted.on-a-symlink", Item.bytes("yes")));
        items.add(Item.directory("xattrs/large-directory").xattr("user.large", incompressible(5000, SEED)));
        items.add(Item.file("xattrs/large-directory/entry", "x"));
    }

    /**
     * The same without POSIX ACLs: nydus-image 2.2.0 refuses to check, make or merge an image with one ("invalid xattr key"), for it
     * wants names of xattrs to be longer than the prefixes that it knows, and these two are just as long.
     */
    static List<Item> withoutAcls(List<Item> items) {
        return items.stream().map(Corpus::withoutAcls).toList();
    }

    private static Item withoutAcls(Item item) {
        return item.onlyXattrs(name -> !name.startsWith("system.posix_acl"));
    }

    /** cap_net_bind_service+ep, revision 2. */
    private static byte[] capability() {
        return HexFormat.of().parseHex("0100000200040000000000000000000000000000");
    }

    /** Owner rw, user 1000 rw, group r, mask rw, others r. */
    private static byte[] acl() {
        var acl = ByteBuffer.allocate(4 + 5 * 8).order(ByteOrder.LITTLE_ENDIAN).putInt(2);
        int[][] entries = {{1, 6, -1}, {2, 6, 1000}, {4, 4, -1}, {0x10, 6, -1}, {0x20, 4, -1}};
        for (int[] entry : entries) {
            acl.putShort((short) entry[0]).putShort((short) entry[1]).putInt(entry[2]);
        }
        return acl.array();
    }

    private static void specials(List<Item> items) {
        items.add(Item.special("dev/null", Kind.CHARACTER_DEVICE, 1, 3));
        items.add(Item.special("dev/sda1", Kind.BLOCK_DEVICE, 8, 1));
        items.add(Item.special("dev/large-minor", Kind.CHARACTER_DEVICE, 4095, 0xfffff));
        items.add(Item.special("dev/minor-256", Kind.BLOCK_DEVICE, 259, 256));
        items.add(Item.special("dev/fifo", Kind.FIFO, 0, 0));
        items.add(Item.special("dev/socket", Kind.SOCKET, 0, 0));
    }

    /** A layer on top of {@link #lower}. It has no entry for the root, nor for some directories in which it puts files. */
    static List<Item> upper(int chunkSize) {
        return List.of(
                Item.file("contents/in-both-layers-too", incompressible(2 * chunkSize, SEED + 2)),
                Item.file("contents/size-1", "replaced"),
                Item.file("contents/.wh.zeros", ""),
                Item.file("links/replaced-above", "new content"),
                Item.directory("links/elsewhere").mode(0700).owner(5, 6),
                Item.file("links/elsewhere/added", "beside the third name"),
                Item.file("directories/many/.wh..wh..opq", ""),
                Item.file("directories/many/survivor", "alone"),
                Item.file("directories/.wh.deep", ""),
                Item.file("directories/deep/again", "a new directory of an old name"),
                Item.file("names", "a file over a directory"),
                Item.directory("repeated"),
                Item.file("repeated/inside", "a directory over a file"),
                Item.file(".wh.dev", ""));
    }
}
