package dev.thaw.agent.install;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.thaw.agent.config.AgentSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.tomlj.Toml;
import org.tomlj.TomlTable;

class ContainerdInstallerTest {
    private static final String V2 = """
            version = 2
            # the site's own words
            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
              runtime_type = "io.containerd.runc.v2"
              [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                SystemdCgroup = true
                BinaryName = '/usr/sbin/runc'
            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
              runtime_type = "io.containerd.runc.v2"
              snapshotter = "overlayfs"
              pod_annotations = ["nvidia.com/*", "a\\"b"]
            """;

    private static final String V3 = """
            version = 3
            root = '/var/lib/containerd'

            [plugins.'io.containerd.cri.v1.images']
              snapshotter = 'native'

            [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
              runtime_type = 'io.containerd.runc.v2'
            """;

    @TempDir
    Path dir;

    Path file;

    @BeforeEach
    void nameTheFile() {
        file = dir.resolve("config.toml");
    }

    @Test
    void editsTheEndOfAVersion2FileAndTakesItBackByteForByte() throws IOException {
        Files.writeString(file, V2);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));

        assertThat(installer("runc", "nvidia").install()).isTrue();

        var installed = Toml.parse(Files.readString(file));
        assertThat(installed.errors()).isEmpty();
        assertThat(Files.readString(file)).startsWith(V2);
        assertThat(installed.getString("proxy_plugins.thaw.address"))
                .isEqualTo(dir.resolve("agent.sock").toString());
        var runtimes = table(installed, "plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes");
        assertThat(runtimes.getString(List.of("runc-lazy", "snapshotter"))).isEqualTo("thaw");
        assertThat(runtimes.getBoolean(List.of("runc-lazy", "options", "SystemdCgroup")))
                .isTrue();
        assertThat(runtimes.getString(List.of("runc-lazy", "options", "BinaryName")))
                .isEqualTo("/usr/sbin/runc");
        assertThat(runtimes.getString(List.of("nvidia-lazy", "snapshotter"))).isEqualTo("thaw");
        assertThat(table(runtimes, "nvidia-lazy").getArray("pod_annotations").toList())
                .containsExactly("nvidia.com/*", "a\"b");
        assertThat(table(installed, "plugins", "io.containerd.cri.v1.images", "runtime_platforms", "nvidia-lazy")
                        .getString("snapshotter"))
                .isEqualTo("thaw");
        assertThat(Files.getPosixFilePermissions(file)).isEqualTo(PosixFilePermissions.fromString("rw-r-----"));

        assertThat(installer("runc", "nvidia").uninstall()).isTrue();
        assertThat(Files.readString(file)).isEqualTo(V2);
        assertThat(dir.resolve("root/install")).doesNotExist();
    }

    @Test
    void doesNothingTheSecondTime() throws IOException {
        Files.writeString(file, V3);
        installer("runc").install();
        byte[] once = Files.readAllBytes(file);

        assertThat(installer("runc").install()).isFalse();
        assertThat(Files.readAllBytes(file)).isEqualTo(once);
    }

    @Test
    void replacesItsOwnLinesWhenTheHandlersChange() throws IOException {
        Files.writeString(file, V2);
        installer("runc", "nvidia").install();

        assertThat(installer("runc").install()).isTrue();

        assertThat(Files.readString(file)).doesNotContain("nvidia-lazy").contains("runc-lazy");
        installer("runc").uninstall();
        assertThat(Files.readString(file)).isEqualTo(V2);
    }

    @Test
    void usesADropInWhereVersion3ImportsADirectory() throws IOException {
        var imports = Files.createDirectory(dir.resolve("conf.d"));
        Files.writeString(imports.resolve("99-nvidia.toml"), """
                version = 3
                [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia]
                  runtime_type = "io.containerd.runc.v2"
                  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia.options]
                    BinaryName = "/usr/bin/nvidia-container-runtime"
                """);
        var main = "imports = ['" + imports + "/*.toml']\n" + V3;
        Files.writeString(file, main);

        assertThat(installer("runc", "nvidia").install()).isTrue();
        assertThat(installer("runc", "nvidia").install()).isFalse();

        assertThat(Files.readString(file)).isEqualTo(main);
        var dropIn = Toml.parse(imports.resolve("thaw.toml"));
        assertThat(dropIn.errors()).isEmpty();
        assertThat(dropIn.getLong("version")).isEqualTo(3);
        assertThat(table(dropIn, "plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes")
                        .getString(List.of("nvidia-lazy", "options", "BinaryName")))
                .isEqualTo("/usr/bin/nvidia-container-runtime");
        // the site's default snapshotter keeps its place in the transfer service, which forgets its default once told
        // of any
        var unpack = table(dropIn, "plugins", "io.containerd.transfer.v1.local").getArray("unpack_config");
        assertThat(unpack.getTable(0).getString("snapshotter")).isEqualTo("native");
        assertThat(unpack.getTable(1).getString("snapshotter")).isEqualTo("thaw");

        assertThat(installer("runc", "nvidia").uninstall()).isTrue();
        assertThat(imports.resolve("thaw.toml")).doesNotExist();
        assertThat(Files.readString(file)).isEqualTo(main);
    }

    @Test
    void makesAFileWhereContainerdHadNoneAndRemovesIt() throws IOException {
        assertThat(installer("runc").install()).isTrue();
        assertThat(Toml.parse(file).getLong("version")).isEqualTo(2);
        assertThat(installer("runc").install()).isFalse();

        assertThat(installer("runc").uninstall()).isTrue();
        assertThat(file).doesNotExist();
    }

    static Stream<byte[]> awkwardEnds() {
        return Stream.of(
                "version = 2\r\n# no line feed at the end".getBytes(UTF_8),
                "version = 2\n\n\n".getBytes(UTF_8),
                "version = 2 # caf\u00e9\n".getBytes(UTF_8));
    }

    @ParameterizedTest
    @MethodSource("awkwardEnds")
    void givesBackAnyFileByteForByte(byte[] original) throws IOException {
        Files.write(file, original);
        installer("runc").install();
        assertThat(Toml.parse(file).errors()).isEmpty();
        installer("runc").uninstall();
        assertThat(Files.readAllBytes(file)).isEqualTo(original);
    }

    @ParameterizedTest
    @MethodSource("awkwardEnds")
    void leavesLaterEditsOfOthersAlone(byte[] original) throws IOException {
        Files.write(file, original);
        installer("runc").install();
        Files.writeString(file, Files.readString(file) + "# written later by somebody else\n");

        installer("runc").uninstall();

        assertThat(Files.readString(file))
                .isEqualTo(new String(original, UTF_8) + "# written later by somebody else\n");
    }

    @Test
    void removesItsBlockEvenWhenItsRecordIsLost() throws IOException {
        Files.writeString(file, V2);
        installer("runc").install();
        try (var files = Files.list(dir.resolve("root/install"))) {
            for (var each : files.toList()) {
                Files.delete(each);
            }
        }

        assertThat(installer("runc").uninstall()).isTrue();
        assertThat(Files.readString(file)).isEqualTo(V2);
    }

    @Test
    void refusesAFileOfVersion1AndLeavesItAlone() throws IOException {
        Files.writeString(file, "[plugins.cri]\n");
        assertThatThrownBy(() -> installer("runc").install())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("config migrate");
        assertThat(Files.readString(file)).isEqualTo("[plugins.cri]\n");
    }

    @Test
    void refusesAFileThatIsNotToml() throws IOException {
        Files.writeString(file, "version = \n");
        assertThatThrownBy(() -> installer("runc").install()).hasMessageContaining("not TOML");
    }

    @Test
    void makesNoTwinOfAHandlerThatDoesNotExist() throws IOException {
        Files.writeString(file, V3);
        installer("runc", "kata").install();
        assertThat(Files.readString(file)).doesNotContain("kata-lazy").contains("runc-lazy");
    }

    private ContainerdInstaller installer(String... handlers) throws IOException {
        var yaml = dir.resolve("agent.yaml");
        Files.writeString(
                yaml,
                "{root: %s, socket: %s, containerd: {configPath: %s, install: DropIn, runtimeHandlers: [%s]}}"
                        .formatted(dir.resolve("root"), dir.resolve("agent.sock"), file, String.join(", ", handlers)));
        return new ContainerdInstaller(AgentSettings.load(yaml));
    }

    private static TomlTable table(TomlTable from, String... path) {
        var table = from.getTable(List.of(path));
        assertThat(table).as("table %s", String.join(".", path)).isNotNull();
        return table;
    }
}
