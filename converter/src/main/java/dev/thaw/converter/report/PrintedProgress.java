package dev.thaw.converter.report;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/**
 * Prints progress: a bar that redraws itself, plain lines, or JSON lines ({@code {"progress":{…}}}). A bar and JSON come at most
 * once a second, lines at most every five seconds; the first and the last figure of a phase always come. Each line is flushed.
 */
public final class PrintedProgress implements Progress {
    /** How progress is shown. */
    public enum Style {
        BAR,
        LINES,
        JSON,
        OFF
    }

    private static final int BAR_CELLS = 30;

    private final PrintStream out;
    private final Style style;
    private final LongSupplier nanoTime;
    private final ReentrantLock lock = new ReentrantLock();
    private boolean hasPhase;
    private Phase phase = Phase.CONVERT;
    private long total;
    private long done;
    private long printedDone = -1;
    private long printedAt;
    private long startedAt;

    public PrintedProgress(PrintStream out, Style style) {
        this(out, style, System::nanoTime);
    }

    PrintedProgress(PrintStream out, Style style, LongSupplier nanoTime) {
        this.out = out;
        this.style = style;
        this.nanoTime = nanoTime;
    }

    @Override
    public void begin(Phase next, long bytesTotal) {
        lock.lock();
        try {
            printLast();
            hasPhase = true;
            phase = next;
            total = bytesTotal;
            done = 0;
            printedDone = -1;
            startedAt = nanoTime.getAsLong();
            print();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void advance(long bytes) {
        lock.lock();
        try {
            done += bytes;
            var interval = style == Style.LINES ? Duration.ofSeconds(5) : Duration.ofSeconds(1);
            if (hasPhase && nanoTime.getAsLong() - printedAt >= interval.toNanos()) {
                print();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void say(String sentence) {
        lock.lock();
        try {
            switch (style) {
                case BAR -> out.print("\r\u001b[K" + sentence + "\n");
                case LINES -> out.print(sentence + "\n");
                case JSON, OFF -> {}
            }
            out.flush();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void end() {
        lock.lock();
        try {
            printLast();
            hasPhase = false;
        } finally {
            lock.unlock();
        }
    }

    private void printLast() {
        if (hasPhase && printedDone != done) {
            print();
        }
        if (hasPhase && style == Style.BAR) {
            out.print("\n");
            out.flush();
        }
    }

    private void print() {
        printedDone = done;
        printedAt = nanoTime.getAsLong();
        switch (style) {
            case BAR -> out.print("\r\u001b[K" + bar());
            case LINES -> out.print(line() + "\n");
            case JSON ->
                out.print("{\"progress\":{\"phase\":\"" + phase.label() + "\",\"bytesDone\":" + done
                        + ",\"bytesTotal\":" + total + "}}\n");
            case OFF -> {}
        }
        out.flush();
    }

    private String bar() {
        var cells = (int) (share() * BAR_CELLS);
        return "%-8s [%s%s] %3.0f%% %s of %s, %s/s"
                .formatted(
                        phase.label(),
                        "#".repeat(cells),
                        ".".repeat(BAR_CELLS - cells),
                        share() * 100,
                        size(done),
                        size(total),
                        size(rate()));
    }

    private String line() {
        return String.format(
                Locale.ROOT,
                "%s: %s of %s (%.0f%%), %s/s",
                phase.label(),
                size(done),
                size(total),
                share() * 100,
                size(rate()));
    }

    private double share() {
        return total <= 0 ? 1 : Math.min(1.0, (double) done / total);
    }

    private long rate() {
        var nanos = nanoTime.getAsLong() - startedAt;
        return nanos <= 0 ? 0 : (long) (done * 1e9 / nanos);
    }

    /** Bytes for people: {@code 17 B}, {@code 1.5 MiB}. */
    public static String size(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        var units = new String[] {"KiB", "MiB", "GiB", "TiB", "PiB"};
        var value = bytes / 1024.0;
        var unit = 0;
        while (value >= 1024 && unit < units.length - 1) {
            value /= 1024;
            unit++;
        }
        return String.format(Locale.ROOT, "%.1f %s", value, units[unit]);
    }
}
