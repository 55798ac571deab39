package dev.thaw.agent.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.thaw.agent.image.SampleImage.Expected;
import dev.thaw.rafs.Inode;
import dev.thaw.rafs.Xattr;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Looks at a mounted tree by find(1), stat(1) and sha256sum(1): Java's paths cannot hold names that are no UTF-8. */
@SuppressWarnings("restricted") // the JDK reads only attributes of the user namespace
final class MountedTree {
    private static final MethodHandle GETXATTR = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().findOrThrow("lgetxattr"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG));

    private MountedTree() {}

    /** Every name, type, mode, owner, time, link, number of names, content and attribute is as expected; nothing else is there. */
    static void assertEquals(Path root, SampleImage image) throws Exception {
        var expected = new TreeMap<String, String>();
        image.tree().forEach((path, file) -> expected.put(path, describe(file, image.mtime())));
        assertThat(listing(root)).isEqualTo(expected);

        var sums = new TreeMap<String, String>();
        for (var file : image.tree().entrySet()) {
            if (file.getValue().type() == Inode.TYPE_REGULAR) {
                sums.put(file.getKey(), sha256(file.getValue().content()));
            }
        }
        assertThat(sums(root)).isEqualTo(sums);

        for (var file : image.tree().entrySet()) {
            for (var attribute : file.getValue().xattrs()) {
                assertThat(attribute(root + "/" + file.getKey(), attribute))
                        .describedAs("%s of %s", attribute.text(), file.getKey())
                        .isEqualTo(attribute.value());
            }
        }
        assertThat(run("stat", "-c", "%t:%T", root + "/null").strip()).isEqualTo("1:3");
    }

    private static String describe(Expected file, String mtime) {
        var type = switch (file.type()) {
            case Inode.TYPE_DIRECTORY -> "d";
            case Inode.TYPE_REGULAR -> "f";
            case Inode.TYPE_SYMLINK -> "l";
            case Inode.TYPE_CHARACTER_DEVICE -> "c";
            default -> "p";
        };
        var size = type.equals("f") ? Integer.toString(file.content().length) : "";
        var links = type.equals("d") ? "" : Integer.toString(file.nlink());
        return "%s %o %d:%d %s %s %s %s"
                .formatted(type, file.mode(), file.uid(), file.gid(), mtime, file.target(), size, links);
    }

    private static Map<String, String> listing(Path root) throws Exception {
        var found = new TreeMap<String, String>();
        var fields = run(
                        "find",
                        root.toString(),
                        "-mindepth",
                        "1",
                        "-printf",
                        "%P\\0%y\\0%m\\0%U:%G\\0%T@\\0%l\\0%s\\0%n\\0")
                .split("\0", -1);
        for (int i = 0; i + 7 < fields.length; i += 8) {
            var type = fields[i + 1];
            var size = type.equals("f") ? fields[i + 6] : "";
            var links = type.equals("d") ? "" : fields[i + 7];
            found.put(
                    fields[i],
                    "%s %s %s %s %s %s %s"
                            .formatted(type, fields[i + 2], fields[i + 3], fields[i + 4], fields[i + 5], size, links));
        }
        return found;
    }

    private static Map<String, String> sums(Path root) throws Exception {
        var found = new TreeMap<String, String>();
        for (var line : run("find", root.toString(), "-type", "f", "-exec", "sha256sum", "-z", "{}", "+")
                .split("\0", 0)) {
            found.put(line.substring(66 + root.toString().length() + 1), line.substring(0, 64));
        }
        return found;
    }

    static String sha256(byte[] content) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    }

    private static byte[] attribute(String path, Xattr attribute) throws Exception {
        try (var arena = Arena.ofConfined()) {
            var value = arena.allocate(256);
            long length;
            try {
                length = (long) GETXATTR.invokeExact(
                        arena.allocateFrom(path, ISO_8859_1),
                        arena.allocateFrom(attribute.text()),
                        value,
                        value.byteSize());
            } catch (Throwable t) {
                throw new IllegalStateException(t);
            }
            return length < 0 ? new byte[0] : value.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** Standard output as bytes, one char each. */
    static String run(String... command) throws Exception {
        var builder = new ProcessBuilder(new ArrayList<>(List.of(command))).redirectErrorStream(false);
        builder.environment().put("LC_ALL", "C");
        builder.redirectError(ProcessBuilder.Redirect.DISCARD);
        var process = builder.start();
        var out = read(process.getInputStream());
        process.waitFor();
        return out;
    }

    private static String read(InputStream in) throws IOException {
        return new String(in.readAllBytes(), ISO_8859_1);
    }
}
