package dev.thaw.agent;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/** The whole program in a process of its own, with the options of its image. */
public final class AgentProcess {
    private static final String OPTIONS = "/dev/thaw/agent/jvm.options";

    private final List<String> java;

    private AgentProcess(List<String> java) {
        this.java = List.copyOf(java);
    }

    /**
     * Without an AOT cache, on the class path of the tests.
     *
     * @param folder for its options
     */
    public static AgentProcess plain(Path folder) throws IOException {
        var command = java(folder);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        return new AgentProcess(command);
    }

    /** As its image has it: on its own jars, with an AOT cache, which is made in a folder and takes a while. */
    public static AgentProcess rehearsed(Path folder) throws IOException, InterruptedException {
        var cache = folder.resolve("agent.aot");
        var classPath = List.of("-cp", jars(), Main.class.getName());
        var rehearsal = java(folder);
        rehearsal.addAll(List.of("-XX:AOTCacheOutput=" + cache, "-Xlog:aot=error"));
        rehearsal.addAll(classPath);
        rehearsal.addAll(List.of("rehearse", "--folder", folder.toString()));
        var log = folder.resolve("rehearsal.log");
        int status = new ProcessBuilder(rehearsal)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start()
                .waitFor();
        if (status != 0) {
            throw new IOException("the rehearsal failed:\n" + Files.readString(log));
        }
        var command = java(folder);
        command.add("-XX:AOTCache=" + cache);
        command.addAll(classPath);
        return new AgentProcess(command);
    }

    private static List<String> java(Path folder) throws IOException {
        var options = folder.resolve("jvm.options");
        try (var in = AgentProcess.class.getResourceAsStream(OPTIONS)) {
            Files.write(options, in.readAllBytes());
        }
        return new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "@" + options));
    }

    /** The jar of this module, and those that its manifest names, wherever the build has them. */
    private static String jars() throws IOException {
        var known = new HashMap<String, Path>();
        Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(Path::of)
                .forEach(path -> known.putIfAbsent(path.getFileName().toString(), path));
        var own = known.entrySet().stream()
                .filter(entry -> entry.getKey().matches("thaw-node-agent-.*\\.jar"))
                .findFirst()
                .orElseThrow(() -> new IOException("the agent is no jar yet: run `verify`"))
                .getValue();
        var jars = new ArrayList<>(List.of(own.toString()));
        try (var jar = new JarFile(own.toFile())) {
            for (var name :
                    jar.getManifest().getMainAttributes().getValue("Class-Path").split(" ", -1)) {
                jars.add(known.get(name).toString());
            }
        }
        return String.join(File.pathSeparator, jars);
    }

    /** Starts it; what it says is appended to a log. */
    public Process start(Path log, String... arguments) throws IOException {
        var command = new ArrayList<>(java);
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
    }
}
