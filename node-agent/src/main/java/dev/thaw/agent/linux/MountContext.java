package dev.thaw.agent.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A mount made piece by piece: fsopen(2), fsconfig(2), fsmount(2), move_mount(2). Unlike mount(2) it has no limit on the
 * length of all options together, only 255 bytes for each value. Call numbers are the same on x86-64 and arm64.
 */
public final class MountContext implements AutoCloseable {
    private static final long MOVE_MOUNT = 429;
    private static final long FSOPEN = 430;
    private static final long FSCONFIG = 431;
    private static final long FSMOUNT = 432;

    private static final int FSOPEN_CLOEXEC = 1;
    private static final int FSMOUNT_CLOEXEC = 1;
    private static final int SET_FLAG = 0;
    private static final int SET_STRING = 1;
    private static final int CMD_CREATE = 6;
    private static final int MOUNT_ATTR_RDONLY = 1;
    private static final int AT_FDCWD = -100;
    private static final int MOVE_MOUNT_F_EMPTY_PATH = 4;
    private static final int MESSAGE_BYTES = 1024;

    private final String type;
    private final int context;

    private MountContext(String type, int context) {
        this.type = type;
        this.context = context;
    }

    /** Begins a mount of a file system type that the kernel must know. */
    public static MountContext open(String type) throws SystemCallFailed {
        try (var arena = Arena.ofConfined()) {
            var name = arena.allocateFrom(type);
            return new MountContext(
                    type, (int) Libc.syscall("fsopen " + type, FSOPEN, name.address(), FSOPEN_CLOEXEC, 0, 0, 0));
        }
    }

    public MountContext flag(String key) throws SystemCallFailed {
        try (var arena = Arena.ofConfined()) {
            configure(key, SET_FLAG, arena.allocateFrom(key), MemorySegment.NULL);
        }
        return this;
    }

    public MountContext option(String key, String value) throws SystemCallFailed {
        try (var arena = Arena.ofConfined()) {
            configure(key + "=" + value, SET_STRING, arena.allocateFrom(key), arena.allocateFrom(value));
        }
        return this;
    }

    /** Makes the file system, read-only, and puts it on {@code target}. */
    public void mountReadOnly(Path target) throws SystemCallFailed {
        configure("create", CMD_CREATE, MemorySegment.NULL, MemorySegment.NULL);
        int mount = (int) Libc.syscall("fsmount " + type, FSMOUNT, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY, 0, 0);
        try (var arena = Arena.ofConfined()) {
            var empty = arena.allocateFrom("");
            var path = arena.allocateFrom(target.toString());
            Libc.syscall(
                    "move_mount " + type + " to " + target,
                    MOVE_MOUNT,
                    mount,
                    empty.address(),
                    AT_FDCWD,
                    path.address(),
                    MOVE_MOUNT_F_EMPTY_PATH);
        } finally {
            Libc.close(mount);
        }
    }

    private void configure(String what, int command, MemorySegment key, MemorySegment value) throws SystemCallFailed {
        try {
            Libc.syscall("fsconfig " + type, FSCONFIG, context, command, key.address(), value.address(), 0);
        } catch (SystemCallFailed e) {
            throw new SystemCallFailed("fsconfig " + type + " " + what + reasons(), e.errno());
        }
    }

    /** What the kernel wrote about the refusal: each read of the context's descriptor is one message. */
    private String reasons() {
        var text = new StringBuilder();
        try (var arena = Arena.ofConfined()) {
            var message = arena.allocate(MESSAGE_BYTES);
            for (long n = Libc.read(context, message, MESSAGE_BYTES);
                    n > 0;
                    n = Libc.read(context, message, MESSAGE_BYTES)) {
                var bytes = message.asSlice(0, n).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
                text.append(" [")
                        .append(new String(bytes, StandardCharsets.UTF_8).strip())
                        .append(']');
            }
        }
        return text.toString();
    }

    @Override
    public void close() {
        Libc.close(context);
    }
}
