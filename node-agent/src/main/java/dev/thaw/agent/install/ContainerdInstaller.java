package dev.thaw.agent.install;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.thaw.agent.config.AgentSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells containerd of the snapshotter, and takes it back.
 *
 * <p>What is written: the proxy plugin {@code thaw}; for each handler {@code h} a twin {@code h-lazy} with the same
 * settings and our snapshotter, under each of the names by which some containerd looks it up; and for containerd 2.1+
 * the transfer service's {@code unpack_config}. Thaw never becomes the default snapshotter.
 *
 * <p>Where: as a file of our own where the configuration is of version 3 and imports a directory ({@code DropIn}), else
 * as a marked block behind the file. In version 2 an imported file <em>replaces</em> whole plugin sections, so a
 * drop-in there would wipe what the site has set.
 */
public final class ContainerdInstaller {
    /** The name of the proxy plugin, and so of the snapshotter. */
    public static final String SNAPSHOTTER = "thaw";

    /** What is put behind a handler's name for its lazy twin. */
    public static final String TWIN_SUFFIX = "-lazy";

    private static final Logger log = LoggerFactory.getLogger(ContainerdInstaller.class);

    private final AgentSettings settings;
    private final Path memory;

    public ContainerdInstaller(AgentSettings settings) {
        this.settings = settings;
        this.memory = settings.root().resolve("install");
    }

    /**
     * Brings containerd's configuration to what the settings ask for. Doing it again changes nothing.
     *
     * @return whether a file was changed, so that containerd must be restarted
     * @throws IOException when the configuration cannot be read, understood or written; it is then as it was
     */
    public boolean install() throws IOException {
        var containerd = settings.containerd();
        if (containerd.install() == AgentSettings.Install.None) {
            log.info("containerd's configuration is left alone, as containerd.install is None");
            return false;
        }
        var path = containerd.configPath();
        byte[] now = Files.exists(path) ? Files.readAllBytes(path) : new byte[0];
        var known = InstallRecord.load(memory);
        byte[] original = ManagedBlock.removeFrom(now);
        var configuration = ContainerdConfiguration.read(path, original);
        var dropIn = dropIn(configuration);
        if (known.isPresent() && !known.get().file().equals(dropIn.toString())) {
            uninstall(); // another file than last time: the settings or the site's imports changed
            return install();
        }
        if (dropIn.equals(path)) {
            return edit(path, now, original, configuration, known.map(InstallRecord::existed));
        }
        var text = ("# Written by `thaw-agent install`, taken back by `thaw-agent uninstall`\nversion = 3\n"
                        + lines(configuration))
                .getBytes(UTF_8);
        byte[] before = Files.exists(dropIn) ? Files.readAllBytes(dropIn) : new byte[0];
        return write(dropIn, before, new byte[0], text, false);
    }

    /** The file that carries our lines: the main file itself where no drop-in is possible. */
    private Path dropIn(ContainerdConfiguration configuration) {
        if (settings.containerd().install() == AgentSettings.Install.Edit) {
            return configuration.path();
        }
        if (configuration.version() == 3 && !configuration.imports().isEmpty()) {
            return configuration.imports().getFirst().resolve(ContainerdConfiguration.DROP_IN);
        }
        log.info("{} has no import that a drop-in could stand in: its end is edited instead", configuration.path());
        return configuration.path();
    }

    private boolean edit(
            Path path,
            byte[] now,
            byte[] original,
            ContainerdConfiguration configuration,
            Optional<Boolean> existedBefore)
            throws IOException {
        boolean existed = existedBefore.orElse(Files.exists(path));
        byte[] base = existed ? original : "version = 2\n".getBytes(UTF_8);
        byte[] wanted = ManagedBlock.appendTo(base, lines(configuration));
        ContainerdConfiguration.parse(path, wanted);
        return write(path, now, existed ? original : new byte[0], wanted, existed);
    }

    private boolean write(Path file, byte[] now, byte[] original, byte[] wanted, boolean existed) throws IOException {
        if (Arrays.equals(now, wanted)) {
            return false;
        }
        new InstallRecord(file.toString(), existed, digest(wanted)).save(memory, original);
        DurableFile.replace(file, wanted);
        if (!existed) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        }
        log.info("containerd is told of the snapshotter in {}", file);
        return true;
    }

    /**
     * Takes back what {@link #install} wrote. If nobody changed the file since, the original comes back byte for byte;
     * else only our lines go.
     *
     * @return whether a file was changed
     */
    public boolean uninstall() throws IOException {
        var known = InstallRecord.load(memory);
        if (known.isEmpty()) {
            return removeStrayBlock();
        }
        var record = known.get();
        var file = Path.of(record.file());
        boolean changed = false;
        if (Files.exists(file)) {
            byte[] now = Files.readAllBytes(file);
            boolean untouched = digest(now).equals(record.installedDigest());
            if (!record.existed() && (untouched || !ManagedBlock.isIn(now))) {
                Files.delete(file);
                changed = true;
            } else {
                byte[] wanted = untouched ? InstallRecord.loadOriginal(memory) : ManagedBlock.removeFrom(now);
                if (!Arrays.equals(now, wanted)) {
                    DurableFile.replace(file, wanted);
                    changed = true;
                }
            }
        }
        InstallRecord.forget(memory);
        if (changed) {
            log.info("{} is as it was before Thaw", file);
        }
        return changed;
    }

    /** The record is gone, as after a lost disk, but the block may still be there. */
    private boolean removeStrayBlock() throws IOException {
        var path = settings.containerd().configPath();
        if (!Files.exists(path)) {
            return false;
        }
        byte[] now = Files.readAllBytes(path);
        if (!ManagedBlock.isIn(now)) {
            return false;
        }
        DurableFile.replace(path, ManagedBlock.removeFrom(now));
        return true;
    }

    private String lines(ContainerdConfiguration configuration) {
        var text = new StringBuilder();
        text.append("[proxy_plugins.").append(SNAPSHOTTER).append("]\n");
        text.append("type = \"snapshot\"\n");
        text.append("address = ")
                .append(TomlText.quoted(settings.socket().toString()))
                .append('\n');
        text.append("[proxy_plugins.").append(SNAPSHOTTER).append(".exports]\n");
        text.append("root = ")
                .append(TomlText.quoted(settings.root().toString()))
                .append('\n');
        text.append("enable_remote_snapshot_annotations = \"true\"\n");
        for (var handler : settings.containerd().runtimeHandlers()) {
            text.append(twin(configuration, handler));
        }
        if (!configuration.hasUnpackConfig()) {
            text.append(unpackConfig(configuration.defaultSnapshotter()));
        }
        text.append(unpackConfig(SNAPSHOTTER));
        return text.toString();
    }

    private static String twin(ContainerdConfiguration configuration, String handler) {
        var name = handler + TWIN_SUFFIX;
        var path = configuration.runtimePath(name);
        var base = configuration.runtime(handler);
        if (base.isEmpty() && !handler.equals("runc")) {
            log.warn(
                    "containerd has no runtime handler '{}', so '{}' is not made: configure it first, or take it out of runtimeHandlers",
                    handler,
                    name);
            return "";
        }
        var text = new StringBuilder();
        var table = base.map(runtime -> TomlText.table(path, runtime))
                .orElse(TomlText.header(path) + "runtime_type = \"io.containerd.runc.v2\"\n");
        // the first line is the header; a snapshotter that the handler names itself gives way to ours
        var head = TomlText.header(path);
        var own = "\"snapshotter\" = ";
        var kept = new StringBuilder();
        boolean inOwn = true;
        for (var line : table.substring(head.length()).split("(?<=\n)")) {
            inOwn &= !line.startsWith("[");
            if (!(inOwn && line.startsWith(own))) {
                kept.append(line);
            }
        }
        text.append(head)
                .append(own)
                .append(TomlText.quoted(SNAPSHOTTER))
                .append('\n')
                .append(kept);
        // containerd 2.0 to 2.2 look here for the snapshotter of a pull, whatever the runtime's own table says
        text.append(TomlText.header(List.of("plugins", "io.containerd.cri.v1.images", "runtime_platforms", name)));
        text.append("snapshotter = ").append(TomlText.quoted(SNAPSHOTTER)).append('\n');
        return text.toString();
    }

    private static String unpackConfig(String snapshotter) {
        return """
                [[plugins."io.containerd.transfer.v1.local".unpack_config]]
                platform = "%s"
                snapshotter = "%s"
                """.formatted(platform(), snapshotter);
    }

    private static String platform() {
        var arch = System.getProperty("os.arch");
        return "linux/" + (arch.equals("aarch64") ? "arm64" : arch);
    }

    private static String digest(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
