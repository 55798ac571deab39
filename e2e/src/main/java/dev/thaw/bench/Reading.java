package dev.thaw.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Random;

/** One way in which programs read. How long it takes is compared, and what it has read. */
enum Reading {
    SEQUENTIAL("a file from end to end, 128 KiB at a time", 0.95) {
        @Override
        long read(Path file, int most, long seed) throws IOException {
            long sum = 0;
            var buffer = ByteBuffer.allocateDirect(128 << 10);
            try (var channel = FileChannel.open(file)) {
                while (channel.read(buffer.clear()) > 0) {
                    for (int at = 0; at < buffer.position(); at += PAGE) {
                        sum += buffer.get(at);
                    }
                }
            }
            return sum;
        }
    },
    RANDOM("4 KiB at random places", 0.95) {
        @Override
        long read(Path file, int most, long seed) throws IOException {
            long sum = 0;
            var buffer = ByteBuffer.allocateDirect(PAGE);
            try (var channel = FileChannel.open(file)) {
                var pages = places(channel.size(), most, seed);
                for (long page : pages) {
                    channel.read(buffer.clear(), page * PAGE);
                    sum += buffer.get(0);
                }
            }
            return sum;
        }
    },
    MAPPED("a mapped file's pages, in random order", 0.95) {
        @Override
        long read(Path file, int most, long seed) throws IOException {
            long sum = 0;
            try (var channel = FileChannel.open(file);
                    var arena = Arena.ofConfined()) {
                var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
                for (long page : places(channel.size(), most, seed)) {
                    sum += mapped.get(ValueLayout.JAVA_BYTE, page * PAGE);
                }
            }
            return sum;
        }
    },
    WALK("find and stat of 50,000 files", 0.9) {
        @Override
        long read(Path file, int most, long seed) throws IOException {
            var sum = new long[1];
            Files.walkFileTree(file, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                    sum[0] += 1
                            + attributes.size()
                            + attributes.lastModifiedTime().toMillis() % 1000;
                    return FileVisitResult.CONTINUE;
                }
            });
            return sum[0];
        }
    };

    private static final int PAGE = 4096;

    private final String description;
    private final double target;

    Reading(String description, double target) {
        this.description = description;
        this.target = target;
    }

    String description() {
        return description;
    }

    /** How fast it must at least be, as a share of how fast overlayfs is, once everything is in the page cache. */
    double target() {
        return target;
    }

    /**
     * What was read, and how long that took.
     *
     * @param sum of some of the bytes: the same wherever the same was read
     */
    record Took(double seconds, long sum) {}

    /**
     * Reads.
     *
     * @param file or folder
     * @param most places that are read, where they are chosen at random
     * @param seed of that choice
     */
    final Took take(Path file, int most, long seed) throws IOException {
        long began = System.nanoTime();
        long sum = read(file, most, seed);
        return new Took((System.nanoTime() - began) / 1e9, sum);
    }

    abstract long read(Path file, int most, long seed) throws IOException;

    /** Numbers of pages, none of them twice as long as there are enough. */
    private static long[] places(long bytes, int most, long seed) {
        var random = new Random(seed);
        long pages = bytes / PAGE;
        return most < pages / 8
                ? random.longs(0, pages).distinct().limit(most).toArray()
                : random.longs(most, 0, pages).toArray();
    }
}
