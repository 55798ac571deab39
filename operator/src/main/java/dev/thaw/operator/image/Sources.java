package dev.thaw.operator.image;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.LazyImageStatus;
import dev.thaw.crds.ResolvePolicy;
import dev.thaw.oci.Digest;
import dev.thaw.oci.Reference;
import dev.thaw.operator.conversion.ConversionRequest;
import dev.thaw.operator.registry.ImageRegistry;
import dev.thaw.operator.registry.Keys;
import dev.thaw.operator.registry.RegistryFailures;
import dev.thaw.operator.registry.SourceImage;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Looks source references up, and remembers the answer: a registry is asked once in the interval that the spec names, and
 * at once when spec or Secrets have changed, however often the LazyImage is reconciled meanwhile.
 */
final class Sources {
    private final ImageRegistry registry;
    private final Clock clock;
    private final Map<String, Remembered> remembered = new ConcurrentHashMap<>();

    Sources(ImageRegistry registry, Clock clock) {
        this.registry = registry;
        this.clock = clock;
    }

    /**
     * The answer for the image's source: a remembered one, unless it is time to ask.
     *
     * @param reference {@code spec.image}, parsed
     * @param keys what opens its registry
     */
    Look look(LazyImage image, Reference reference, Keys keys) {
        var uid = image.getMetadata().getUid();
        var asked = image.getMetadata().getGeneration() + " " + reference + " " + keys.version();
        var before = remembered.get(uid);
        var now = clock.instant();
        if (before != null && before.asked.equals(asked)) {
            if (before.due.isEmpty() || now.isBefore(before.due.get())) {
                return before.look(now);
            }
        } else {
            before = null;
        }
        var fresh = ask(image, reference, keys, asked, before, now);
        remembered.put(uid, fresh);
        return fresh.look(now);
    }

    /** Forgets an image that was deleted. */
    void forget(LazyImage image) {
        remembered.remove(image.getMetadata().getUid());
    }

    private Remembered ask(
            LazyImage image, Reference reference, Keys keys, String asked, @Nullable Remembered before, Instant now) {
        var resolve = image.getSpec().resolve();
        try {
            var fixed = Optional.ofNullable(reference.digest()).or(() -> pinned(image, reference));
            var digest = fixed.isPresent() ? fixed.get() : registry.digest(reference, keys.config());
            var known = before == null ? null : before.found;
            var found = known != null && known.digest().equals(digest)
                    ? known
                    : registry.image(reference.withDigest(digest), keys.config());
            boolean moves = reference.digest() == null && resolve.policy() == ResolvePolicy.FOLLOW;
            var due = moves ? Optional.of(now.plus(resolve.every())) : Optional.<Instant>empty();
            return new Remembered(asked, new Look.Found(found, Optional.empty()), found, due, 0);
        } catch (IOException e) {
            int failures = before == null ? 1 : before.failures + 1;
            var failure = RegistryFailures.reading(e);
            var pause = failure.retryable() ? Retries.pause(failures) : resolve.every();
            return new Remembered(
                    asked,
                    new Look.Missing(failure, Optional.empty()),
                    before == null ? null : before.found,
                    Optional.of(now.plus(pause)),
                    failures);
        }
    }

    /** The digest to stay with, where the spec asks for that and there is one. */
    private static Optional<Digest> pinned(LazyImage image, Reference reference) {
        var status = image.getStatus();
        if (image.getSpec().resolve().policy() != ResolvePolicy.PIN || status == null || status.source() == null) {
            return Optional.empty();
        }
        return isOf(status, image, reference)
                ? Optional.of(Digest.parse(status.source().digest()))
                : Optional.empty();
    }

    private static boolean isOf(LazyImageStatus status, LazyImage image, Reference reference) {
        var conversion = status.conversion();
        return conversion == null || conversion.options() == null
                ? image.getMetadata().getGeneration().equals(status.observedGeneration())
                : ConversionRequest.isFor(conversion.options(), reference.toString());
    }

    /**
     * One answer.
     *
     * @param asked what was asked with: another question makes it worthless
     * @param found what was found last, also where the newest look failed
     * @param due when to ask again
     * @param failures in a row
     */
    private record Remembered(
            String asked, Look answer, @Nullable SourceImage found, Optional<Instant> due, int failures) {
        Look look(Instant now) {
            var again = due.map(time -> Duration.between(now, time));
            return switch (answer) {
                case Look.Found known -> new Look.Found(known.image(), again);
                case Look.Missing missing -> new Look.Missing(missing.failure(), again);
            };
        }
    }
}
