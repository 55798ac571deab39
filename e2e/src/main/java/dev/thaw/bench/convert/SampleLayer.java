package dev.thaw.bench.convert;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/**
 * A layer such as images have, made of this machine's programs, libraries and texts: taken in turn from several trees, so that any
 * size has some of each.
 *
 * @param tar as nydus-image reads it
 * @param gzip the same, compressed as image builders do
 * @param tarBytes length of the tar
 * @param gzipBytes length of the compressed one
 * @param files regular files in it
 */
record SampleLayer(Path tar, Path gzip, long tarBytes, long gzipBytes, int files) {
    private static final int BUFFER_BYTES = 1 << 20;

    /** Makes it, of whole files, at least so large unless the trees have less. */
    static SampleLayer make(List<Path> trees, long bytes, Path folder) throws IOException {
        var chosen = choose(trees, bytes);
        var tarFile = folder.resolve("layer.tar");
        var gzipFile = folder.resolve("layer.tar.gz");
        try (var both = new Both(
                        Files.newOutputStream(tarFile), new GZIPOutputStream(Files.newOutputStream(gzipFile)));
                var tar = new TarArchiveOutputStream(new BufferedOutputStream(both, BUFFER_BYTES))) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_POSIX);
            var parents = new TreeSet<String>();
            for (var file : chosen) {
                parents(file, parents);
            }
            for (var parent : parents) {
                tar.putArchiveEntry(new TarArchiveEntry(parent));
                tar.closeArchiveEntry();
            }
            for (var file : chosen) {
                var entry = new TarArchiveEntry(name(file));
                entry.setMode(Files.isExecutable(file) ? 0755 : 0644);
                entry.setSize(Files.size(file));
                entry.setModTime(Files.getLastModifiedTime(file));
                tar.putArchiveEntry(entry);
                Files.copy(file, tar);
                tar.closeArchiveEntry();
            }
        }
        return new SampleLayer(tarFile, gzipFile, Files.size(tarFile), Files.size(gzipFile), chosen.size());
    }

    /**
     * Takes a layer as it is.
     *
     * @param layer a tar, gzipped or not
     */
    static SampleLayer of(Path layer, Path folder) throws IOException {
        var isGzip = isGzip(layer);
        var other = folder.resolve(isGzip ? "layer.tar" : "layer.tar.gz");
        try (var in = Files.newInputStream(layer);
                var out = Files.newOutputStream(other)) {
            if (isGzip) {
                new GZIPInputStream(in, BUFFER_BYTES).transferTo(out);
            } else {
                try (var gzip = new GZIPOutputStream(out)) {
                    in.transferTo(gzip);
                }
            }
        }
        var tar = isGzip ? other : layer;
        var gzip = isGzip ? layer : other;
        return new SampleLayer(tar, gzip, Files.size(tar), Files.size(gzip), countFiles(tar));
    }

    private static boolean isGzip(Path layer) throws IOException {
        try (var in = Files.newInputStream(layer)) {
            return in.read() == 0x1f && in.read() == 0x8b;
        }
    }

    private static int countFiles(Path tar) throws IOException {
        var count = 0;
        try (var in = new TarArchiveInputStream(new BufferedInputStream(Files.newInputStream(tar), BUFFER_BYTES))) {
            for (var entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                count += entry.isFile() ? 1 : 0;
            }
        }
        return count;
    }

    private static String name(Path file) {
        return file.toString().substring(1);
    }

    private static void parents(Path file, TreeSet<String> into) {
        for (var parent = file.getParent(); parent != null && parent.getNameCount() > 0; parent = parent.getParent()) {
            into.add(name(parent) + "/");
        }
    }

    /** Takes the next file always from the tree that has given least so far. */
    private static List<Path> choose(List<Path> trees, long bytes) throws IOException {
        var left = new PriorityQueue<Share>(Comparator.comparingLong(share -> share.takenBytes));
        for (var tree : trees) {
            left.add(new Share(files(tree)));
        }
        var chosen = new ArrayList<Path>();
        for (long sum = 0; sum < bytes && !left.isEmpty(); ) {
            var share = left.remove();
            var file = share.files.poll();
            if (file != null) {
                chosen.add(file);
                share.takenBytes += Files.size(file);
                sum += Files.size(file);
                left.add(share);
            }
        }
        return chosen;
    }

    /** What one tree gives. */
    private static final class Share {
        final Queue<Path> files;
        long takenBytes;

        Share(Queue<Path> files) {
            this.files = files;
        }
    }

    private static Queue<Path> files(Path tree) throws IOException {
        var files = new TreeSet<Path>();
        Files.walkFileTree(tree.toRealPath(), new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                if (attributes.isRegularFile() && Files.isReadable(file)) {
                    files.add(file);
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException failure) {
                return FileVisitResult.CONTINUE; // what this user may not read is not needed
            }
        });
        return new ArrayDeque<>(files);
    }

    /** Writes the same to two streams. */
    private static final class Both extends FilterOutputStream {
        private final OutputStream second;

        Both(OutputStream first, OutputStream second) {
            super(first);
            this.second = second;
        }

        @Override
        public void write(int b) throws IOException {
            out.write(b);
            second.write(b);
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            out.write(bytes, from, length);
            second.write(bytes, from, length);
        }

        @Override
        public void close() throws IOException {
            try (second) {
                super.close();
            }
        }
    }
}
