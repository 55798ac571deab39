package dev.thaw.oci;

import dev.thaw.oci.TokenServer.BearerChallenge;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import okhttp3.Challenge;
import okhttp3.HttpUrl;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * Authorization at one endpoint: remembers how it challenges us, and keeps a token for each scope until shortly before
 * it ends. Nothing secret is sent before the endpoint has asked for it.
 */
final class Authorizer {
    /** Basic credentials do not end by themselves; asking the source again lets it change them. */
    private static final Duration BASIC_LIFETIME = Duration.ofMinutes(5);

    private static final int MOST_SLOTS = 2_000;

    private final Endpoint endpoint;
    private final CredentialSource credentials;
    private final TokenServer tokens;
    private final InstantSource clock;
    private final Map<Scope, Slot> slots = new ConcurrentHashMap<>();
    private volatile @Nullable Demand demand;

    Authorizer(Endpoint endpoint, CredentialSource credentials, TokenServer tokens, InstantSource clock) {
        this.endpoint = endpoint;
        this.credentials = credentials;
        this.tokens = tokens;
        this.clock = clock;
    }

    /** What an endpoint wants to see. */
    private sealed interface Demand {
        record Basic() implements Demand {}

        record Bearer(BearerChallenge challenge) implements Demand {}
    }

    /** One scope's authorization; its lock makes many threads wait for one token instead of asking for many. */
    private static final class Slot {
        final ReentrantLock lock = new ReentrantLock();
        volatile @Nullable Authorization authorization;
    }

    /** The authorization to send without being asked again; nothing while the endpoint has never asked. */
    Optional<Authorization> known(Action action, String repository, Scope scope) throws IOException {
        var asked = demand;
        if (asked == null) {
            return Optional.empty();
        }
        var now = clock.instant();
        for (var entry : slots.entrySet()) {
            var held = entry.getValue().authorization;
            if (held != null && held.isFresh(now) && entry.getKey().covers(scope)) {
                return Optional.of(held);
            }
        }
        return Optional.of(obtain(action, repository, scope, asked, null));
    }

    /**
     * Answers a 401.
     *
     * @param used what was sent and refused, or null
     * @throws RegistryException.Unauthorized if there is nothing to answer with
     */
    Authorization answer(Action action, String repository, Scope scope, Response response, @Nullable Authorization used)
            throws IOException {
        var asked = demand(action, response);
        demand = asked;
        return obtain(action, repository, scope, asked, used);
    }

    /**
     * Takes note that a fresh authorization was refused too, and answers once more if the source has another credential.
     */
    Optional<Authorization> answerAfresh(Action action, String repository, Scope scope, Authorization used)
            throws IOException {
        var asked = demand;
        var credential = credentials.credential(endpoint.credentialHost(), repository);
        if (asked == null || credential.isEmpty()) {
            return Optional.empty();
        }
        credentials.refused(endpoint.credentialHost(), repository, credential.get());
        var other = credentials.credential(endpoint.credentialHost(), repository);
        return other.isEmpty() || other.equals(credential)
                ? Optional.empty()
                : Optional.of(obtain(action, repository, scope, asked, used));
    }

    private Authorization obtain(
            Action action, String repository, Scope scope, Demand asked, @Nullable Authorization used)
            throws IOException {
        forgetEnded();
        var slot = slots.computeIfAbsent(scope, added -> new Slot());
        try {
            slot.lock.lockInterruptibly();
        } catch (InterruptedException e) {
            throw action.interrupted();
        }
        try {
            var held = slot.authorization;
            // Another thread may have been here while we waited.
            if (held != null && held.isFresh(clock.instant()) && !held.equals(used)) {
                return held;
            }
            dropEverywhere(used);
            var fresh = exchange(action, repository, scope, asked);
            slot.authorization = fresh;
            return fresh;
        } finally {
            slot.lock.unlock();
        }
    }

    private Authorization exchange(Action action, String repository, Scope scope, Demand asked) throws IOException {
        var host = endpoint.credentialHost();
        var credential = credentials.credential(host, repository);
        if (credential.orElse(null) instanceof Credential.RegistryToken ready) {
            return Authorization.bearer(ready.token(), clock.instant().plus(BASIC_LIFETIME));
        }
        return switch (asked) {
            case Demand.Basic() -> basic(action, credential);
            case Demand.Bearer(var challenge) -> {
                var wanted = scope.and(challenge.scope());
                try {
                    yield tokens.token(challenge, wanted, credential);
                } catch (RegistryException.Unauthorized e) {
                    if (credential.isEmpty()) {
                        throw e;
                    }
                    credentials.refused(host, repository, credential.get());
                    var other = credentials.credential(host, repository);
                    if (other.isEmpty() || other.equals(credential)) {
                        throw e;
                    }
                    yield tokens.token(challenge, wanted, other);
                }
            }
        };
    }

    private Authorization basic(Action action, Optional<Credential> credential) throws RegistryException {
        return switch (credential.orElse(null)) {
            case Credential.Basic basic ->
                Authorization.basic(basic, clock.instant().plus(BASIC_LIFETIME));
            case null ->
                throw action.unauthorized(
                        endpoint.credentialHost() + " wants a user and a password, and none are known for it",
                        "give a credential for this host");
            case Credential.IdentityToken _, Credential.RegistryToken _ ->
                throw action.unauthorized(
                        endpoint.credentialHost() + " wants a user and a password, and only a token is known for it",
                        "give a user and a password for this host");
        };
    }

    private Demand demand(Action action, Response response) throws RegistryException {
        Demand found = null;
        for (var challenge : response.challenges()) {
            switch (challenge.scheme().toLowerCase(Locale.ROOT)) {
                case "bearer" -> {
                    return new Demand.Bearer(bearer(action, response.request().url(), challenge));
                }
                case "basic" -> found = new Demand.Basic();
                default -> {}
            }
        }
        if (found == null) {
            throw action.unauthorized(
                    "%s answered 401 without a challenge that we know (Bearer, Basic)"
                            .formatted(Action.line(response.request())),
                    "the registry, or a proxy before it, asks for a login of another kind");
        }
        return found;
    }

    /** The realm decides where our credential goes, so it must be as well protected as the registry is. */
    private static BearerChallenge bearer(Action action, HttpUrl asker, Challenge challenge) throws RegistryException {
        var realm = HttpUrl.parse(parameter(challenge, "realm"));
        if (realm == null) {
            throw action.unauthorized(
                    "the registry's challenge names no token server", "the registry's configuration is wrong");
        }
        if (asker.isHttps() && !realm.isHttps()) {
            throw action.unauthorized(
                    "the registry is reached over TLS but names the token server " + Action.bare(realm)
                            + " without TLS",
                    "no credential is sent there; the registry's configuration is wrong");
        }
        return new BearerChallenge(realm, parameter(challenge, "service"), Scope.parse(parameter(challenge, "scope")));
    }

    private static String parameter(Challenge challenge, String name) {
        for (var parameter : challenge.authParams().entrySet()) {
            if (name.equalsIgnoreCase(parameter.getKey())) {
                return parameter.getValue();
            }
        }
        return "";
    }

    /** A token refused under one scope is no good under another either. */
    private void dropEverywhere(@Nullable Authorization refused) {
        if (refused != null) {
            for (var slot : slots.values()) {
                if (refused.equals(slot.authorization)) {
                    slot.authorization = null;
                }
            }
        }
    }

    private void forgetEnded() {
        if (slots.size() >= MOST_SLOTS) {
            var now = clock.instant();
            slots.values().removeIf(slot -> {
                var held = slot.authorization;
                return !slot.lock.isLocked() && (held == null || !held.isFresh(now));
            });
        }
    }
}
