package dev.thaw.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The line to the registry, as a proxy of TCP connections: one token bucket for all that comes from the registry, and half
 * a round trip of delay each way. What a connection costs to set up is charged to its first request. So the line is the
 * same on every kernel (netem is missing from many), and what went over it can be counted.
 *
 * <p>Slow start and loss are not imitated. A connection gets its share packet by packet, as under fair queueing.
 */
final class ShapedLink implements AutoCloseable {
    private static final int PACKET_BYTES = 16 << 10;
    /** Sleeping is not exact: what was slept too long may be sent in one go, up to this. */
    private static final long BURST_NANOS = Duration.ofMillis(2).toNanos();
    /** What one connection may have on its way: more than the bandwidth times the delay of the links here. */
    private static final int PACKETS_ON_THE_WAY = 64;

    private static final byte[] END_OF_REQUEST = {'\r', '\n', '\r', '\n'};

    private final ServerSocket door;
    private final InetSocketAddress registry;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final ReentrantLock bucket = new ReentrantLock(true);
    private final AtomicLong requests = new AtomicLong();
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicLong lastByteNanos = new AtomicLong(System.nanoTime());
    private volatile Link link;
    private volatile boolean cut;
    private long freeAtNanos = System.nanoTime();

    ShapedLink(int port, InetSocketAddress registry, Link link) throws IOException {
        this.registry = registry;
        this.link = link;
        door = new ServerSocket(port, 256, InetAddress.getLoopbackAddress());
        threads.submit(this::accept);
    }

    /** The port that was bound; of interest where 0 was asked for. */
    int port() {
        return door.getLocalPort();
    }

    void become(Link next) {
        link = next;
    }

    /** Drops every connection, and each that is made from now on. */
    void cut() {
        cut = true;
        open.forEach(ShapedLink::drop);
    }

    void mend() {
        cut = false;
    }

    Traffic traffic() {
        return new Traffic(requests.get(), bytes.get());
    }

    /** When the last byte came from the registry, by {@link System#nanoTime}. */
    long lastByteNanos() {
        return lastByteNanos.get();
    }

    private Void accept() throws IOException {
        while (true) {
            var client = door.accept();
            if (cut) {
                drop(client);
            } else {
                threads.submit(() -> connect(client));
            }
        }
    }

    private Void connect(Socket client) throws IOException {
        try (client;
                var server = new Socket()) {
            open.add(client);
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
            server.connect(registry);
            if (cut) {
                return null;
            }
            var up = threads.submit(() -> pump(client, server, new RequestCount(), link.roundTrip()));
            pump(server, client, new ResponseCount(), Duration.ZERO);
            drop(client);
            up.cancel(true);
        } finally {
            open.remove(client);
        }
        return null;
    }

    private static void drop(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            // it is of no use any more, which is what was wanted
        }
    }

    /** What is to be known of bytes that pass. Returns when they have left the sender's side, by the clock. */
    private interface Toll {
        long pass(byte[] packet);
    }

    private final class RequestCount implements Toll {
        private int matched;

        /** Requests of a pull have no bodies, so each ends with an empty line. */
        @Override
        public long pass(byte[] packet) {
            for (byte value : packet) {
                matched = value == END_OF_REQUEST[matched] ? matched + 1 : value == '\r' ? 1 : 0;
                if (matched == END_OF_REQUEST.length) {
                    requests.incrementAndGet();
                    matched = 0;
                }
            }
            return System.nanoTime();
        }
    }

    private final class ResponseCount implements Toll {
        @Override
        public long pass(byte[] packet) {
            long sent;
            bucket.lock();
            try {
                long cost = link.timeFor(packet.length).toNanos();
                freeAtNanos = Math.max(System.nanoTime() - BURST_NANOS, freeAtNanos) + cost;
                sent = freeAtNanos;
            } finally {
                bucket.unlock();
            }
            sleepUntil(sent);
            bytes.addAndGet(packet.length);
            lastByteNanos.set(System.nanoTime());
            return Math.max(sent, System.nanoTime());
        }
    }

    private record Packet(byte[] content, long dueNanos) {}

    /** Carries bytes one way until their source ends. */
    private Void pump(Socket from, Socket to, Toll toll, Duration firstDelay) throws IOException {
        var way = new ArrayBlockingQueue<Packet>(PACKETS_ON_THE_WAY);
        var in = from.getInputStream();
        var out = to.getOutputStream();
        var delivery = threads.submit(() -> deliver(way, out));
        try {
            long setUpNanos = firstDelay.toNanos();
            for (var packet = read(in); packet.length > 0; packet = read(in)) {
                long left = toll.pass(packet);
                var parcel =
                        new Packet(packet, left + setUpNanos + link.roundTrip().toNanos() / 2);
                while (!way.offer(parcel, 1, TimeUnit.SECONDS)) {
                    if (delivery.isDone()) {
                        delivery.get();
                    }
                }
                setUpNanos = 0;
            }
            way.put(new Packet(new byte[0], System.nanoTime() + link.roundTrip().toNanos() / 2));
            delivery.get();
            to.shutdownOutput();
        } catch (Exception e) {
            // either side may hang up at any time: both are closed by whoever connected them
            delivery.cancel(true);
            drop(from);
            drop(to);
        }
        return null;
    }

    private static byte[] read(InputStream in) throws IOException {
        var packet = new byte[PACKET_BYTES];
        int length = in.read(packet);
        return length == PACKET_BYTES ? packet : Arrays.copyOf(packet, Math.max(0, length));
    }

    private static Void deliver(BlockingQueue<Packet> way, OutputStream out) throws IOException, InterruptedException {
        for (var packet = way.take(); packet.content().length > 0; packet = way.take()) {
            sleepUntil(packet.dueNanos());
            out.write(packet.content());
        }
        return null;
    }

    private static void sleepUntil(long nanos) {
        for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
            LockSupport.parkNanos(left);
            if (Thread.currentThread().isInterrupted()) {
                return;
            }
        }
    }

    @Override
    public void close() throws IOException {
        door.close();
        cut();
        threads.shutdownNow();
    }
}
