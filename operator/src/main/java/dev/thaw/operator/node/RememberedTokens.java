package dev.thaw.operator.node;

import io.grpc.StatusException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** Remembers for a minute who a token belongs to. Refusals are asked anew each time; tokens themselves are not kept. */
final class RememberedTokens implements Tokens {
    private static final Duration MEMORY = Duration.ofMinutes(1);

    /** More nodes than Kubernetes supports. */
    private static final int MOST = 10_000;

    private final Tokens tokens;
    private final Clock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<String, Known> known = new LinkedHashMap<>();

    RememberedTokens(Tokens tokens, Clock clock) {
        this.tokens = tokens;
        this.clock = clock;
    }

    @Override
    public Caller caller(String token) throws StatusException {
        var now = clock.instant();
        var key = digest(token);
        lock.lock();
        try {
            while (!known.isEmpty() && !known.firstEntry().getValue().until.isAfter(now)) {
                known.pollFirstEntry();
            }
            var caller = known.get(key);
            if (caller != null) {
                return caller.caller;
            }
        } finally {
            lock.unlock();
        }
        var caller = tokens.caller(token);
        lock.lock();
        try {
            if (known.size() >= MOST) {
                known.pollFirstEntry();
            }
            known.putLast(key, new Known(caller, now.plus(MEMORY)));
        } finally {
            lock.unlock();
        }
        return caller;
    }

    private static String digest(String token) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private record Known(Caller caller, Instant until) {}
}
