package dev.thaw.demo;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/**
 * The agent's program as its image has it: its own jars and no others, the options of its JVM, and the AOT cache that a rehearsal
 * made of just these. The first who asks for it on a machine makes the cache, which takes a while.
 */
public final class AgentProgram {
    private static final String JAR = "thaw-node-agent-";
    private static final String OPTIONS = "dev/thaw/agent/jvm.options";

    private final Path options;
    private final Path cache;
    private final String classPath;

    private AgentProgram(Path options, Path cache, String classPath) {
        this.options = options;
        this.cache = cache;
        this.classPath = classPath;
    }

    /** The program whose jars are on this program's class path. */
    public static AgentProgram here() throws IOException {
        var jar = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(Path::of)
                .filter(path -> path.getFileName().toString().startsWith(JAR)
                        && path.getFileName().toString().endsWith(".jar"))
                .findFirst()
                .orElseThrow(() -> new IOException("the agent is not on the class path as a jar"))
                .toAbsolutePath();
        var jars = jars(jar);
        var folder = Files.createDirectories(jar.resolveSibling("../agent").normalize());
        var options = folder.resolve("jvm.options");
        try (var file = new JarFile(jar.toFile());
                InputStream in = file.getInputStream(file.getJarEntry(OPTIONS))) {
            Files.write(options, in.readAllBytes());
        }
        var program = new AgentProgram(
                options,
                folder.resolve(fingerprint(jars, options) + ".aot"),
                String.join(
                        File.pathSeparator, jars.stream().map(Path::toString).toList()));
        program.rehearse(folder);
        return program;
    }

    /** The agent's own jar, and those that it names in its manifest, which lie beside it. */
    private static List<Path> jars(Path jar) throws IOException {
        var jars = new ArrayList<>(List.of(jar));
        try (var file = new JarFile(jar.toFile())) {
            for (var name : file.getManifest()
                    .getMainAttributes()
                    .getValue("Class-Path")
                    .split(" ", -1)) {
                jars.add(jar.resolveSibling(name));
            }
        }
        return jars;
    }

    /** What a JVM asks of a cache: that it was made by the same JVM from the same files. */
    private static String fingerprint(List<Path> jars, Path options) throws IOException {
        var text = new StringBuilder(System.getProperty("java.vm.version"))
                .append(System.getProperty("java.home"))
                .append(Files.readString(options));
        for (var jar : jars) {
            text.append(jar).append(Files.size(jar)).append(Files.getLastModifiedTime(jar));
        }
        try {
            var digest =
                    MessageDigest.getInstance("SHA-256").digest(text.toString().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private void rehearse(Path folder) throws IOException {
        if (Files.exists(cache)) {
            return;
        }
        try (var old = Files.newDirectoryStream(folder, "*.aot*")) {
            for (var file : old) {
                Files.delete(file);
            }
        }
        var part = folder.resolve(cache.getFileName() + ".part");
        var command = java();
        // says of each class that is not in the cache why
        command.addAll(List.of("-XX:AOTCacheOutput=" + part, "-Xlog:aot=error"));
        command.addAll(main("rehearse", "--folder", folder.toString()));
        Child.run(command);
        Files.move(part, cache, StandardCopyOption.ATOMIC_MOVE);
    }

    private List<String> java() {
        return new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "@" + options));
    }

    private List<String> main(String... arguments) {
        var all = new ArrayList<>(List.of("-cp", classPath, "dev.thaw.agent.Main"));
        all.addAll(List.of(arguments));
        return all;
    }

    /** What starts it. */
    public List<String> command(String... arguments) {
        var command = java();
        command.add("-XX:AOTCache=" + cache);
        command.addAll(main(arguments));
        return command;
    }
}
