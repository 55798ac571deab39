package dev.thaw.oci;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** A wire to a server that is cut once, after so many bytes in one direction. */
final class CuttingProxy implements AutoCloseable {
    private final ServerSocket listener;
    private final InetSocketAddress server;
    private final int cutAfterSent;
    private final int cutAfterReceived;
    private final AtomicInteger cuts = new AtomicInteger();
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    private CuttingProxy(String server, int cutAfterSent, int cutAfterReceived) throws IOException {
        var colon = server.lastIndexOf(':');
        this.server = new InetSocketAddress(server.substring(0, colon), Integer.parseInt(server.substring(colon + 1)));
        this.cutAfterSent = cutAfterSent;
        this.cutAfterReceived = cutAfterReceived;
        this.listener = new ServerSocket(0, 16, InetAddress.getByName("127.0.0.1"));
        threads.execute(this::accept);
    }

    static CuttingProxy cuttingRequests(String server, int afterBytes) throws IOException {
        return new CuttingProxy(server, afterBytes, Integer.MAX_VALUE);
    }

    static CuttingProxy cuttingAnswers(String server, int afterBytes) throws IOException {
        return new CuttingProxy(server, Integer.MAX_VALUE, afterBytes);
    }

    String host() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    int cuts() {
        return cuts.get();
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                var client = listener.accept();
                var behind = new Socket(server.getAddress(), server.getPort());
                open.add(client);
                open.add(behind);
                threads.execute(() -> copy(client, behind, cutAfterSent));
                threads.execute(() -> copy(behind, client, cutAfterReceived));
            } catch (IOException closed) {
                return;
            }
        }
    }

    private void copy(Socket from, Socket to, int cutAfterBytes) {
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            var buffer = new byte[16_384];
            var left = cutAfterBytes;
            for (var read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                if (cutAfterBytes < Integer.MAX_VALUE && read >= left && cuts.compareAndSet(0, 1)) {
                    out.write(buffer, 0, left);
                    return;
                }
                out.write(buffer, 0, read);
                left = Math.max(0, left - read);
            }
        } catch (IOException closed) {
            // One side is gone; closing both is all there is to do.
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (var socket : open) {
            socket.close();
        }
        threads.shutdownNow();
    }
}
