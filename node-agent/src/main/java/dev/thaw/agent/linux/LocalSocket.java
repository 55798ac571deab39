package dev.thaw.agent.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A unix socket of sequenced packets: each message arrives whole, with at most one descriptor beside it (SCM_RIGHTS, unix(7)).
 * Layouts are those of 64-bit Linux:
 * <pre>
 * msghdr   0 name  8 namelen  16 iov  24 iovlen  32 control  40 controllen  48 flags   (56 bytes)
 * cmsghdr  0 len   8 level   12 type  16 the descriptor                                (24 bytes with padding)
 * </pre>
 */
public final class LocalSocket implements AutoCloseable {
    /** The longest message. */
    public static final int MESSAGE_BYTES = 4096;

    private static final int AF_UNIX = 1;
    private static final int SOCK_SEQPACKET = 5;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int SO_RCVTIMEO = 20;
    private static final int SO_SNDTIMEO = 21;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int ADDRESS_BYTES = 110;
    private static final int LONGEST_PATH = 107;
    private static final int CONTROL_BYTES = 24;
    private static final int CONTROL_LENGTH = 20;

    private static final MethodHandle SOCKET = Libc.function("socket", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle CONNECT = Libc.function("connect", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle SHUTDOWN = Libc.function("shutdown", JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle SETSOCKOPT =
            Libc.function("setsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle SENDMSG = Libc.function("sendmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle RECVMSG = Libc.function("recvmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);

    /** What only the holder needs. */
    private static final class Listening {
        static final MethodHandle BIND = Libc.function("bind", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
        static final MethodHandle LISTEN = Libc.function("listen", JAVA_INT, JAVA_INT, JAVA_INT);
        static final MethodHandle ACCEPT4 = Libc.function("accept4", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);

        private Listening() {}
    }

    private final int descriptor;
    private final String name;

    private LocalSocket(int descriptor, String name) {
        this.descriptor = descriptor;
        this.name = name;
    }

    /** One message. A descriptor, −1 when there was none, belongs to the receiver. */
    public record Message(String text, int descriptor) {}

    /** Binds the calls of libc that sockets need and the most usual others, which takes longer than all that they do then. */
    public static void load() {
        // Whoever calls it has initialized the class, and that is all.
    }

    /** Listens on a path that nothing exists at. */
    public static LocalSocket listen(Path path) throws IOException {
        var socket = create(path);
        try (var arena = Arena.ofConfined()) {
            var state = Libc.state();
            int bound = Libc.result(
                    (int) Listening.BIND.invokeExact(state, socket.descriptor, address(arena, path), ADDRESS_BYTES),
                    state);
            socket.require("bind", bound);
            int listening = Libc.result((int) Listening.LISTEN.invokeExact(state, socket.descriptor, 16), state);
            socket.require("listen", listening);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
    }

    /** Connects; sending and receiving fail when the peer is silent for longer than {@code patience}. */
    public static LocalSocket connect(Path path, Duration patience) throws IOException {
        var socket = create(path);
        try (var arena = Arena.ofConfined()) {
            socket.patience(patience);
            var state = Libc.state();
            int connected = Libc.result(
                    (int) CONNECT.invokeExact(state, socket.descriptor, address(arena, path), ADDRESS_BYTES), state);
            socket.require("connect to", connected);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
    }

    /** Waits for the next caller. */
    public LocalSocket accept(Duration patience) throws IOException {
        var state = Libc.state();
        int accepted;
        do {
            try {
                accepted = Libc.result(
                        (int) Listening.ACCEPT4.invokeExact(
                                state, descriptor, MemorySegment.NULL, MemorySegment.NULL, SOCK_CLOEXEC),
                        state);
            } catch (Throwable t) {
                throw Libc.unchecked(t);
            }
        } while (accepted == -Errno.EINTR);
        require("accept on", accepted);
        var caller = new LocalSocket(accepted, name);
        caller.patience(patience);
        return caller;
    }

    /** Sends a message, with a descriptor unless that is negative; the sender keeps its own copy. */
    public void send(String text, int passed) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var data = arena.allocateFrom(JAVA_BYTE, text.getBytes(StandardCharsets.UTF_8));
            var message = message(arena, data, data.byteSize());
            if (passed >= 0) {
                var control = arena.allocate(CONTROL_BYTES, 8);
                control.set(JAVA_LONG, 0, CONTROL_LENGTH);
                control.set(JAVA_INT, 8, SOL_SOCKET);
                control.set(JAVA_INT, 12, SCM_RIGHTS);
                control.set(JAVA_INT, 16, passed);
                message.set(ADDRESS, 32, control);
                message.set(JAVA_LONG, 40, CONTROL_BYTES);
            }
            var state = Libc.state();
            long sent = Libc.result((long) SENDMSG.invokeExact(state, descriptor, message, MSG_NOSIGNAL), state);
            require("send to", sent);
        } catch (IOException e) {
            throw e;
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
    }

    /** Waits for a message. An empty text without a descriptor means that the peer has gone. */
    public Message receive() throws IOException {
        try (var arena = Arena.ofConfined()) {
            var data = arena.allocate(MESSAGE_BYTES);
            var control = arena.allocate(CONTROL_BYTES, 8);
            var message = message(arena, data, MESSAGE_BYTES);
            message.set(ADDRESS, 32, control);
            message.set(JAVA_LONG, 40, CONTROL_BYTES);
            var state = Libc.state();
            long received =
                    Libc.result((long) RECVMSG.invokeExact(state, descriptor, message, MSG_CMSG_CLOEXEC), state);
            require("receive from", received);
            int passed = -1;
            if (message.get(JAVA_LONG, 40) >= CONTROL_LENGTH
                    && control.get(JAVA_INT, 8) == SOL_SOCKET
                    && control.get(JAVA_INT, 12) == SCM_RIGHTS) {
                passed = control.get(JAVA_INT, 16);
            }
            return new Message(
                    new String(data.asSlice(0, received).toArray(JAVA_BYTE), StandardCharsets.UTF_8), passed);
        } catch (IOException e) {
            throw e;
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
    }

    @Override
    public void close() {
        var state = Libc.state();
        try {
            // Wakes a thread that waits in accept, which closing alone would not.
            Libc.result((int) SHUTDOWN.invokeExact(state, descriptor, 2), state);
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
        Libc.close(descriptor);
    }

    private static LocalSocket create(Path path) throws IOException {
        if (path.toString().getBytes(StandardCharsets.UTF_8).length > LONGEST_PATH) {
            throw new IOException("the path of a unix socket has at most " + LONGEST_PATH + " bytes: " + path);
        }
        var state = Libc.state();
        int created;
        try {
            created = Libc.result((int) SOCKET.invokeExact(state, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), state);
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
        if (created < 0) {
            throw new SystemCallFailed("socket", -created);
        }
        return new LocalSocket(created, path.toString());
    }

    private void patience(Duration patience) throws SystemCallFailed {
        try (var arena = Arena.ofConfined()) {
            var time = arena.allocate(16, 8);
            time.set(JAVA_LONG, 0, patience.toSeconds());
            time.set(JAVA_LONG, 8, patience.toNanosPart() / 1000);
            var state = Libc.state();
            int receiving = Libc.result(
                    (int) SETSOCKOPT.invokeExact(state, descriptor, SOL_SOCKET, SO_RCVTIMEO, time, 16), state);
            require("set the timeout of", receiving);
            int sending = Libc.result(
                    (int) SETSOCKOPT.invokeExact(state, descriptor, SOL_SOCKET, SO_SNDTIMEO, time, 16), state);
            require("set the timeout of", sending);
        } catch (SystemCallFailed e) {
            throw e;
        } catch (Throwable t) {
            throw Libc.unchecked(t);
        }
    }

    private void require(String call, long result) throws SystemCallFailed {
        if (result < 0) {
            throw new SystemCallFailed(call + " " + name, (int) -result);
        }
    }

    private static MemorySegment message(Arena arena, MemorySegment data, long bytes) {
        var vector = arena.allocate(16, 8);
        vector.set(ADDRESS, 0, data);
        vector.set(JAVA_LONG, 8, bytes);
        var message = arena.allocate(56, 8);
        message.set(ADDRESS, 16, vector);
        message.set(JAVA_LONG, 24, 1);
        return message;
    }

    private static MemorySegment address(Arena arena, Path path) {
        var address = arena.allocate(ADDRESS_BYTES, 8);
        address.set(JAVA_SHORT, 0, (short) AF_UNIX);
        address.setString(2, path.toString());
        return address;
    }
}
