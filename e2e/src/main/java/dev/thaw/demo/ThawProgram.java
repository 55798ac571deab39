package dev.thaw.demo;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * A program as its image has it: its own jars and no others, the options of its JVM, and the AOT cache that a rehearsal made of
 * just these. The first who asks for it on a machine makes the cache, which takes a while.
 */
public final class ThawProgram {
    /** It does next to nothing: what a cache and a second compiler take of memory is never earned back. */
    private static final List<String> HOLDER_OPTIONS = List.of("-XX:AOTMode=off", "-XX:TieredStopAtLevel=1");

    /**
     * A file that goes with a program for its JVM.
     *
     * @param prefix what stands before its path on the command line
     */
    private record OptionFile(String prefix, String name) {}

    private static final OptionFile JVM_OPTIONS = new OptionFile("@", "jvm.options");

    private final String mainClass;
    private final List<String> options;
    private final Path cache;
    private final String classPath;

    private ThawProgram(String mainClass, List<String> options, Path cache, String classPath) {
        this.mainClass = mainClass;
        this.options = options;
        this.cache = cache;
        this.classPath = classPath;
    }

    /** The node agent, whose jar is on this program's class path. */
    public static ThawProgram agent() throws IOException {
        return of("thaw-node-agent", "dev.thaw.agent", List.of(JVM_OPTIONS));
    }

    /** The converter, whose jar is on this program's class path. */
    public static ThawProgram converter() throws IOException {
        return of(
                "thaw-converter",
                "dev.thaw.converter",
                List.of(JVM_OPTIONS, new OptionFile("-XX:CompilerDirectivesFile=", "compiler.directives")));
    }

    private static ThawProgram of(String module, String topPackage, List<OptionFile> optionFiles) throws IOException {
        var jars = ProgramJars.of(module);
        var folder = Files.createDirectories(jars.folder().resolveSibling(module));
        var options = new ArrayList<String>();
        for (var optionFile : optionFiles) {
            var file = folder.resolve(optionFile.name);
            Files.write(file, jars.resource(topPackage.replace('.', '/') + "/" + optionFile.name));
            options.add(optionFile.prefix + file);
        }
        var program = new ThawProgram(
                topPackage + ".Main",
                options,
                folder.resolve(fingerprint(jars.files(), options) + ".aot"),
                jars.classPath());
        program.rehearse(folder);
        return program;
    }

    /** What a JVM asks of a cache: that it was made by the same JVM from the same files. */
    private static String fingerprint(List<Path> jars, List<String> options) throws IOException {
        var text = new StringBuilder(System.getProperty("java.vm.version"))
                .append(System.getProperty("java.home"))
                .append(options);
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
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        return command;
    }

    private List<String> main(String... arguments) {
        var all = new ArrayList<>(List.of("-cp", classPath, mainClass));
        all.addAll(List.of(arguments));
        return all;
    }

    /** What starts the agent's process that holds descriptors, as the operator has it. */
    public List<String> holder(Path socket) {
        return commandWith(HOLDER_OPTIONS, "hold", "--socket", socket.toString());
    }

    /** What starts it. */
    public List<String> command(String... arguments) {
        return commandWith(List.of(), arguments);
    }

    /** What starts it with further options of the JVM. */
    public List<String> commandWith(List<String> jvmOptions, String... arguments) {
        var command = java();
        command.add("-XX:AOTCache=" + cache);
        command.addAll(jvmOptions);
        command.addAll(main(arguments));
        return command;
    }
}
