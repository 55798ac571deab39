package dev.thaw.fuzz;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Feeds a reader with damaged input: whatever it is, the reader must return or throw one of the exceptions that it declares, soon,
 * and without taking all memory. An input that is refused for a reason that was not seen before is kept and damaged further, so
 * that the search gets deeper than the first check.
 *
 * <p>By default each target gets a fixed number of inputs, the same in every run. With the property {@value #SECONDS} it gets as
 * many as fit into that time, other ones in each run; the Maven profile {@code fuzz} sets it. An input that breaks a reader is
 * left in {@code target/fuzz}.
 */
public final class Fuzz {
    static final String SECONDS = "thaw.fuzz.seconds";

    private static final int INPUTS = 600;
    private static final int MOST_KEPT = 2000;
    private static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(60);

    /** Reads an input. */
    @FunctionalInterface
    public interface Reading {
        void of(byte[] input) throws Exception;
    }

    /** Makes a damaged input pass a check that would catch all damage, such as a checksum. */
    @FunctionalInterface
    public interface Repair {
        byte[] of(byte[] input);
    }

    private final String target;
    private final List<byte[]> corpus = new ArrayList<>();
    private final List<byte[]> words = new ArrayList<>();
    private final Set<Class<? extends Exception>> declared = new HashSet<>();
    private final Set<String> outcomes = new HashSet<>();
    private long mostAllocatedBytes = 64 << 20;
    private int inputs = INPUTS;
    private @Nullable Repair repair;

    private Fuzz(String target) {
        this.target = target;
    }

    /** @param target names the reader, and makes the numbers of its runs its own */
    public static Fuzz target(String target) {
        return new Fuzz(target);
    }

    /** An input to begin with. */
    public Fuzz seed(byte[] input) {
        corpus.add(input);
        return this;
    }

    /** Something that means something in the format. */
    public Fuzz word(String word) {
        words.add(word.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    /** An exception by which the reader may refuse. */
    public Fuzz mayThrow(Class<? extends Exception> exception) {
        declared.add(exception);
        return this;
    }

    public Fuzz mayAllocate(long bytes) {
        mostAllocatedBytes = bytes;
        return this;
    }

    /** Does this to half of the inputs. */
    public Fuzz repairedBy(Repair newRepair) {
        repair = newRepair;
        return this;
    }

    /** How many inputs a run has that is not bounded by time. */
    public Fuzz inputs(int newInputs) {
        inputs = newInputs;
        return this;
    }

    /** Runs, and fails with the first input that breaks the reader. */
    public void run(Reading reading) throws InterruptedException, IOException {
        long seconds = Long.getLong(SECONDS, 0);
        var random = new SplittableRandom(seconds > 0 ? System.nanoTime() : target.hashCode());
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        var current = new AtomicReference<byte[]>(new byte[0]);
        var began = new AtomicLong(System.nanoTime());
        var failure = new AtomicReference<@Nullable Throwable>();
        long[] count = new long[1];
        var thread = Thread.ofPlatform().name("fuzz-" + target).daemon().start(() -> {
            try {
                for (var seed : List.copyOf(corpus)) {
                    current.set(seed);
                    began.set(System.nanoTime());
                    outcome(reading, seed); // so that what loading classes takes is not held against the reader
                    began.set(System.nanoTime());
                    attempt(reading, seed);
                }
                var mutator = new Mutator(random, words);
                while (seconds > 0 ? System.nanoTime() < end : count[0] < inputs) {
                    var input = next(mutator, random);
                    current.set(input);
                    began.set(System.nanoTime());
                    if (outcomes.add(attempt(reading, input)) && corpus.size() < MOST_KEPT) {
                        corpus.add(input);
                    }
                    count[0]++;
                }
            } catch (Throwable e) { // handed to the test's thread
                failure.set(e);
            }
        });
        while (!thread.join(java.time.Duration.ofMillis(200))) {
            if (System.nanoTime() - began.get() > LONGEST_NANOS) {
                var hung = new AssertionError("hangs, at " + List.of(thread.getStackTrace()));
                throw broken(current.get(), hung);
            }
        }
        var thrown = failure.get();
        if (thrown != null) {
            throw broken(current.get(), thrown);
        }
        System.out.printf("fuzz %s: %d inputs, %d different outcomes%n", target, count[0], outcomes.size());
    }

    private byte[] next(Mutator mutator, SplittableRandom random) {
        var one = corpus.get(random.nextInt(corpus.size()));
        var other = corpus.get(random.nextInt(corpus.size()));
        var input = mutator.mutate(one, other);
        return repair != null && random.nextBoolean() ? repair.of(input) : input;
    }

    /** @return the outcome, without the numbers and names in it */
    private String attempt(Reading reading, byte[] input) throws Exception {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        var outcome = outcome(reading, input);
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;
        if (allocated > mostAllocatedBytes) {
            throw new AssertionError("takes " + allocated + " bytes of memory, and ends so: " + outcome);
        }
        return outcome;
    }

    private String outcome(Reading reading, byte[] input) throws Exception {
        try {
            reading.of(input);
            return "";
        } catch (Exception e) {
            if (declared.stream().noneMatch(known -> known.isInstance(e))) {
                throw e;
            }
            return e.getClass().getSimpleName() + ": "
                    + String.valueOf(e.getMessage())
                            .replaceAll("0x[0-9a-f]+|[0-9a-f]{16,}|[0-9]+|[^ -~]|\"[^\"]*\"", "");
        }
    }

    private AssertionError broken(byte[] input, Throwable by) throws IOException {
        var directory = Files.createDirectories(Path.of("target", "fuzz"));
        var file = directory.resolve(
                target.replaceAll("\\W+", "-") + "-" + Integer.toHexString(java.util.Arrays.hashCode(input)));
        Files.write(file, input);
        var shown = input.length <= 2048 ? ": " + HexFormat.of().formatHex(input) : "";
        return new AssertionError(
                "%s is broken by an input of %d bytes, kept in %s%s".formatted(target, input.length, file, shown), by);
    }
}
