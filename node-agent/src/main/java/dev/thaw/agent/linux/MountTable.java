package dev.thaw.agent.linux;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The mounts that this process sees (proc_pid_mountinfo(5)), oldest first. */
public record MountTable(List<Mount> mounts) {
    private static final Path FILE = Path.of("/proc/self/mountinfo");
    /** Of the first process: what the machine sees, when this process is in a container that sees the machine's processes. */
    private static final Path MACHINE = Path.of("/proc/1/mountinfo");

    /**
     * One mount.
     *
     * @param device the file system's major:minor; FUSE's connection has the minor as its name
     * @param options of the file system, as it shows them
     */
    public record Mount(String device, Path point, String type, String source, String options) {
        /** Whether that is one of an overlay's lower directories; the overlay may have been told a relative path. */
        public boolean standsOn(Path directory) {
            return type.equals("overlay")
                    && Stream.of(options.split("(?<!\\\\),", -1))
                            .filter(option -> option.startsWith("lowerdir"))
                            .flatMap(option -> Stream.of(
                                    option.substring(option.indexOf('=') + 1).split(":", -1)))
                            .filter(lower -> !lower.isEmpty())
                            .anyMatch(directory::endsWith);
        }

        public int minor() {
            return Integer.parseInt(device.substring(device.indexOf(':') + 1));
        }
    }

    public static MountTable read() throws IOException {
        return read(FILE);
    }

    /** The mounts that the machine's first process sees, those of containers' roots among them. */
    public static MountTable ofMachine() throws IOException {
        return read(MACHINE);
    }

    private static MountTable read(Path file) throws IOException {
        // Paths may be no UTF-8; bytes are kept one by one, and compare equal only where they are ASCII, as ours are.
        return parse(Files.readString(file, StandardCharsets.ISO_8859_1));
    }

    static MountTable parse(String text) {
        var mounts = new ArrayList<Mount>();
        for (var line : text.lines().toList()) {
            var fields = List.of(line.split(" ", -1));
            int dash = fields.indexOf("-");
            if (dash > 4 && fields.size() > dash + 2) {
                mounts.add(new Mount(
                        fields.get(2),
                        Path.of(unescape(fields.get(4))),
                        fields.get(dash + 1),
                        unescape(fields.get(dash + 2)),
                        fields.size() > dash + 3 ? unescape(fields.get(dash + 3)) : ""));
            }
        }
        return new MountTable(List.copyOf(mounts));
    }

    /** The mount on top at that path. */
    public Optional<Mount> at(Path point) {
        return mounts.reversed().stream()
                .filter(mount -> mount.point.equals(point))
                .findFirst();
    }

    /** Mounts at or below a directory, newest first, which is the order to unmount in. */
    public List<Mount> below(Path directory) {
        return mounts.reversed().stream()
                .filter(mount -> mount.point.startsWith(directory))
                .toList();
    }

    /** Space, tab, newline and backslash are written as three octal digits. */
    private static String unescape(String field) {
        var text = new StringBuilder(field.length());
        for (int i = 0; i < field.length(); i++) {
            char c = field.charAt(i);
            if (c == '\\' && i + 3 < field.length()) {
                text.append((char) Integer.parseInt(field.substring(i + 1, i + 4), 8));
                i += 3;
            } else {
                text.append(c);
            }
        }
        return text.toString();
    }
}
