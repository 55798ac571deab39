package dev.thaw.oci;

import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * A request and its answer, with all that lies between: authorization, the answer to a challenge, redirects. The one
 * place that adds an {@code Authorization} header; it goes to the endpoint's own origin and nowhere else.
 */
final class Exchange {
    private static final int MOST_REDIRECTS = 5;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private static final List<String> TRAVELLING_HEADERS = List.of("Range", "Accept", "Accept-Encoding");

    private final Transport transport;
    private final CredentialSource credentials;
    private final TokenServer tokens;
    private final InstantSource clock;
    private final Map<Endpoint, Authorizer> authorizers = new ConcurrentHashMap<>();

    Exchange(Transport transport, CredentialSource credentials, InstantSource clock) {
        this.transport = transport;
        this.credentials = credentials;
        this.tokens = new TokenServer(transport, clock);
        this.clock = clock;
    }

    /** Sends a request whose answer is small. */
    Response send(Action action, Endpoint endpoint, Reference repository, Scope scope, Request request)
            throws IOException {
        return send(action, endpoint, repository, scope, request, transport.deadline(0));
    }

    /**
     * Sends a request, answers a 401 once (and once more if the credential source has another credential), and follows
     * redirects of GET and HEAD.
     *
     * @return any other answer; the caller closes it
     */
    Response send(
            Action action, Endpoint endpoint, Reference repository, Scope scope, Request request, Duration deadline)
            throws IOException {
        return send(action, endpoint, repository, scope, request, deadline, transport::send);
    }

    /** As {@link #send}, for a request after which the registry works a long time before it answers. */
    Response sendPatiently(
            Action action, Endpoint endpoint, Reference repository, Scope scope, Request request, Duration deadline)
            throws IOException {
        return send(action, endpoint, repository, scope, request, deadline, transport::sendPatiently);
    }

    /** Sends a request to a place where no credential of ours belongs. Follows no redirect. */
    Response sendBare(Action action, Request request, Duration deadline) throws IOException {
        return transport.send(action, request, deadline);
    }

    Duration deadline(long contentBytes) {
        return transport.deadline(contentBytes);
    }

    private Response send(
            Action action,
            Endpoint endpoint,
            Reference repository,
            Scope scope,
            Request request,
            Duration deadline,
            Sender sender)
            throws IOException {
        if (!Endpoint.sameOrigin(request.url(), endpoint.base())) {
            return sender.send(action, request, deadline);
        }
        var authorizer =
                authorizers.computeIfAbsent(endpoint, added -> new Authorizer(added, credentials, tokens, clock));
        var authorization =
                authorizer.known(action, repository.repository(), scope).orElse(null);
        var response = sender.send(action, authorized(request, authorization), deadline);
        if (response.code() == 401) {
            authorization = reply(authorizer, action, repository, scope, response, authorization);
            response = sender.send(action, authorized(request, authorization), deadline);
        }
        // Some registries say 403 to a password that has ended; to a token it means what it says.
        if (authorization != null && (response.code() == 401 || (response.code() == 403 && authorization.isBasic()))) {
            var afresh = secondThought(authorizer, action, repository, scope, response, authorization);
            if (afresh != null) {
                authorization = afresh;
                response = sender.send(action, authorized(request, authorization), deadline);
            }
        }
        return follow(action, request, authorization, response, deadline, sender);
    }

    private static Authorization reply(
            Authorizer authorizer,
            Action action,
            Reference repository,
            Scope scope,
            Response response,
            @Nullable Authorization used)
            throws IOException {
        try (response) {
            return authorizer.answer(action, repository.repository(), scope, response, used);
        }
    }

    /** Another authorization, the refusal then being closed; or null, the refusal then being the answer. */
    private static @Nullable Authorization secondThought(
            Authorizer authorizer,
            Action action,
            Reference repository,
            Scope scope,
            Response refusal,
            Authorization used)
            throws IOException {
        try {
            var afresh = authorizer
                    .answerAfresh(action, repository.repository(), scope, used)
                    .orElse(null);
            if (afresh != null) {
                refusal.close();
            }
            return afresh;
        } catch (IOException e) {
            refusal.close();
            throw e;
        }
    }

    private static Response follow(
            Action action,
            Request request,
            @Nullable Authorization authorization,
            Response first,
            Duration deadline,
            Sender sender)
            throws IOException {
        var response = first;
        var current = request;
        for (var hops = 0; isRedirect(request, response); hops++) {
            var target = target(action, response, hops);
            var next = current.newBuilder().url(target);
            if (!Endpoint.sameOrigin(target, request.url())) {
                // A mirror's headers may be as secret as a token: of the request's own, only what says what is wanted
                // goes along.
                next = new Request.Builder().url(target).method(request.method(), null);
                for (var name : TRAVELLING_HEADERS) {
                    var value = request.header(name);
                    if (value != null) {
                        next.header(name, value);
                    }
                }
                authorization = null;
            }
            current = next.build();
            response = sender.send(action, authorized(current, authorization), deadline);
        }
        return response;
    }

    private static boolean isRedirect(Request request, Response response) {
        return REDIRECTS.contains(response.code())
                && (request.method().equals("GET") || request.method().equals("HEAD"));
    }

    /** Where a redirect leads. Closes it. */
    private static HttpUrl target(Action action, Response redirect, int hops) throws RegistryException {
        try (redirect) {
            if (hops == MOST_REDIRECTS) {
                throw action.invalid(
                        "%s was redirected more than %d times".formatted(Action.line(redirect.request()), hops),
                        "the registry's storage is misconfigured");
            }
            return target(action, redirect);
        }
    }

    private static HttpUrl target(Action action, Response response) throws RegistryException {
        var from = response.request().url();
        var target = Endpoint.resolve(from, response.header("Location")).orElse(null);
        if (target == null) {
            throw action.invalid(
                    "%s was redirected to nowhere".formatted(Action.line(response.request())),
                    "the registry's storage is misconfigured");
        }
        if (from.isHttps() && !target.isHttps()) {
            throw action.invalid(
                    "%s was redirected from TLS to %s".formatted(Action.line(response.request()), Action.bare(target)),
                    "content is not fetched in the clear; give the registry's storage a certificate");
        }
        return target;
    }

    private static Request authorized(Request request, @Nullable Authorization authorization) {
        return authorization == null
                ? request
                : request.newBuilder()
                        .header("Authorization", authorization.header())
                        .build();
    }

    @FunctionalInterface
    private interface Sender {
        Response send(Action action, Request request, Duration deadline) throws IOException;
    }
}
