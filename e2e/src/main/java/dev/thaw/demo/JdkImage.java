package dev.thaw.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.ImageManifest;
import dev.thaw.oci.MediaTypes;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;

/** An image made of what is on this machine: the libraries that Java needs, the JDK, and a small program. */
final class JdkImage {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String JDK = "opt/jdk";

    /** {@code libc.so.6 => /lib/libc.so.6 (0x7f…)}, or the loader alone: {@code /lib64/ld-linux.so.2 (0x7f…)} */
    private static final Pattern LIBRARY = Pattern.compile("(/\\S+) \\(0x[0-9a-f]+\\)");

    /** Those that need libraries of the system, for a program without a screen. */
    private static final List<String> PROGRAMS = List.of(
            "bin/java", "lib/server/libjvm.so", "lib/libjava.so", "lib/libnet.so", "lib/libnio.so", "lib/libzip.so");

    private static final String PROGRAM = """
            public class Hello {
                public static void main(String[] arguments) {
                    System.out.println("Hello from Java " + Runtime.version() + ", most of which is still in the registry");
                }
            }
            """;

    private final Path home;
    private final Path realHome;

    private JdkImage(Path home) throws IOException {
        this.home = home;
        this.realHome = home.toRealPath();
    }

    /** Makes the image of the JDK that runs this, and pushes it. */
    static SourceImage push(RegistryClient registry, Reference target, Path work) throws IOException {
        return new JdkImage(Path.of(System.getProperty("java.home"))).pushLayers(registry, target, work);
    }

    private SourceImage pushLayers(RegistryClient registry, Reference target, Path work) throws IOException {
        var libraries = libraries();
        var program = compile(work);
        var layers = List.of(
                LayerTar.push(registry, target, tar -> base(tar, libraries)),
                LayerTar.push(registry, target, tar -> tree(tar, home, JDK)),
                LayerTar.push(registry, target, tar -> tar.file("app/Hello.class", program)));
        var config = JSON.writeValueAsBytes(Map.of(
                "architecture", LocalPlatform.architecture(),
                "os", "linux",
                "config",
                        Map.of(
                                "Env", List.of("PATH=/" + JDK + "/bin:/usr/bin:/bin", "JAVA_HOME=/" + JDK),
                                "WorkingDir", "/app",
                                "Entrypoint",
                                        List.of("/" + JDK + "/bin/java", "-XX:+UseSerialGC", "-cp", "/app", "Hello")),
                "rootfs",
                        Map.of(
                                "type",
                                "layers",
                                "diff_ids",
                                layers.stream()
                                        .map(layer -> layer.diffId().toString())
                                        .toList())));
        var description = Descriptor.of(MediaTypes.OCI_CONFIG, config);
        registry.push(target, description.digest(), config);
        var blobs = layers.stream().map(LayerTar.Layer::blob).toList();
        registry.putManifest(target, ImageManifest.of(description, blobs, null, null, Map.of()));
        return new SourceImage(
                target,
                blobs.size(),
                blobs.stream().mapToLong(Descriptor::sizeBytes).sum());
    }

    private static void base(LayerTar tar, TreeSet<Path> libraries) throws IOException {
        for (var directory : List.of("dev", "proc", "sys", "run", "root")) {
            tar.directory(directory);
        }
        tar.directory("tmp", 01777);
        tar.file("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n".getBytes(StandardCharsets.US_ASCII));
        tar.file("etc/group", "root:x:0:\n".getBytes(StandardCharsets.US_ASCII));
        for (var library : libraries) {
            tar.file(library.toString().substring(1), library);
        }
    }

    /** The system's libraries, under the paths where the loader looks for them. */
    private TreeSet<Path> libraries() throws IOException {
        var found = new TreeSet<Path>();
        for (var program : PROGRAMS) {
            var library = LIBRARY.matcher(
                    Child.run(List.of("ldd", home.resolve(program).toString())));
            while (library.find()) {
                var path = Path.of(library.group(1)).normalize();
                if (!path.toRealPath().startsWith(realHome)) {
                    found.add(path);
                }
            }
        }
        return found;
    }

    /** Distributions keep parts of a JDK elsewhere, behind links: what such a link points to goes into the image. */
    private void tree(LayerTar tar, Path source, String path) throws IOException {
        if (Files.isSymbolicLink(source) && staysInside(source)) {
            tar.link(path, Files.readSymbolicLink(source).toString());
        } else if (Files.isDirectory(source)) {
            tar.directory(path);
            for (var child : children(source)) {
                tree(tar, child, path + "/" + child.getFileName());
            }
        } else if (Files.isRegularFile(source)
                && !source.getFileName().toString().equals("src.zip")) {
            tar.file(path, source);
        }
    }

    private boolean staysInside(Path link) throws IOException {
        return !Files.readSymbolicLink(link).isAbsolute()
                && Files.exists(link)
                && link.toRealPath().startsWith(realHome)
                && link.toRealPath(LinkOption.NOFOLLOW_LINKS).startsWith(home);
    }

    private static List<Path> children(Path directory) throws IOException {
        try (Stream<Path> children = Files.list(directory)) {
            return children.sorted().toList();
        }
    }

    private static Path compile(Path work) throws IOException {
        var source = work.resolve("Hello.java");
        Files.writeString(source, PROGRAM);
        var compiler = ToolProvider.getSystemJavaCompiler();
        var said = new ByteArrayOutputStream();
        var arguments = new ArrayList<>(List.of("-d", work.toString(), source.toString()));
        if (compiler.run(null, said, said, arguments.toArray(String[]::new)) != 0) {
            throw new IOException("the demo's program cannot be compiled: " + said.toString(StandardCharsets.UTF_8));
        }
        return work.resolve("Hello.class");
    }
}
