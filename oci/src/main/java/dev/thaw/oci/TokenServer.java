package dev.thaw.oci;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import okhttp3.FormBody;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.Response;

/**
 * The server that a registry's challenge names, which turns a credential into a short-lived token for a scope: by GET
 * with Basic (or anonymously), or by an OAuth 2 POST for an identity token.
 */
final class TokenServer {
    /** The token specification's lifetime where the answer names none. */
    private static final Duration DEFAULT_LIFETIME = Duration.ofSeconds(60);

    private static final Duration LONGEST_LIFETIME = Duration.ofHours(1);
    private static final int TOKEN_ANSWER_BYTES = 1 << 20;
    private static final String CLIENT = "thaw";

    static final String REFRESH_TOKEN = "refresh_token";

    private final Transport transport;
    private final InstantSource clock;

    TokenServer(Transport transport, InstantSource clock) {
        this.transport = transport;
        this.clock = clock;
    }

    /**
     * Obtains a token.
     *
     * @throws RegistryException.Unauthorized if the server refuses the credential
     */
    Authorization token(BearerChallenge challenge, Scope scope, Optional<Credential> credential) throws IOException {
        var action = new Action("get a token for", scope + " from " + Action.bare(challenge.realm()));
        var request = switch (credential.orElse(null)) {
            case null -> query(challenge, scope, "").build();
            case Credential.Basic basic ->
                query(challenge, scope, basic.user())
                        .header("Authorization", Authorization.basicHeader(basic))
                        .build();
            case Credential.IdentityToken identity -> refresh(challenge, scope, identity);
            case Credential.RegistryToken _ -> throw new IllegalStateException("a registry token is not exchanged");
        };
        try (var response = transport.send(action, request, transport.deadline(0))) {
            // OAuth 2 says 400 (invalid_grant) to a refresh token that has ended (RFC 6749, section 5.2).
            var ended = response.code() == 400 && request.method().equals("POST");
            return switch (ended ? 401 : response.code()) {
                case 200 -> authorization(action, response);
                case 401, 403 ->
                    throw action.unauthorized(
                            "the token server answered " + response.code()
                                    + (credential.isPresent() ? " to our credential" : " to an anonymous request"),
                            credential.isPresent()
                                    ? "check the credential; it may have expired"
                                    : "give a credential for this registry");
                default -> throw action.refused(response);
            };
        }
    }

    private static Request.Builder query(BearerChallenge challenge, Scope scope, String account) {
        var url = challenge.realm().newBuilder();
        if (!challenge.service().isEmpty()) {
            url.setQueryParameter("service", challenge.service());
        }
        for (var parameter : scope.parameters()) {
            url.addQueryParameter("scope", parameter);
        }
        if (!account.isEmpty()) {
            url.setQueryParameter("account", account);
        }
        return new Request.Builder().url(url.build()).header("Accept", "application/json");
    }

    private static Request refresh(BearerChallenge challenge, Scope scope, Credential.IdentityToken identity) {
        var form = new FormBody.Builder()
                .add("grant_type", REFRESH_TOKEN)
                .add("service", challenge.service())
                .add("client_id", CLIENT)
                .add("scope", scope.toString())
                .add(REFRESH_TOKEN, identity.token())
                .build();
        return new Request.Builder()
                .url(challenge.realm())
                .header("Accept", "application/json")
                .post(form)
                .build();
    }

    private Authorization authorization(Action action, Response response) throws IOException {
        JsonNode answer;
        try {
            answer = DocumentReader.json(response.body().byteStream().readNBytes(TOKEN_ANSWER_BYTES));
        } catch (IllegalArgumentException e) {
            throw action.invalid("the token server's answer is wrong: " + e.getMessage(), "check the token server");
        } catch (IOException e) {
            throw action.unreachable(response.request(), e);
        }
        var token = answer.path("token").asText(answer.path("access_token").asText(""));
        // It goes into a header as it is; nothing but visible ASCII may.
        if (token.isEmpty() || !token.chars().allMatch(c -> c > 0x20 && c < 0x7f)) {
            throw action.invalid("the token server's answer holds no usable token", "check the token server");
        }
        var seconds = answer.path("expires_in").asLong(DEFAULT_LIFETIME.toSeconds());
        var lifetime = seconds <= 0 ? DEFAULT_LIFETIME : Duration.ofSeconds(seconds);
        if (lifetime.compareTo(LONGEST_LIFETIME) > 0) {
            lifetime = LONGEST_LIFETIME;
        }
        return Authorization.bearer(token, clock.instant().plus(lifetime.minus(margin(lifetime))));
    }

    /** A token is renewed this long before it ends, so that none ends on its way. */
    private static Duration margin(Duration lifetime) {
        var sixth = lifetime.dividedBy(6);
        return sixth.compareTo(Duration.ofSeconds(30)) < 0 ? sixth : Duration.ofSeconds(30);
    }

    /**
     * A {@code Bearer} challenge.
     *
     * @param realm the token server
     * @param service what the token server calls the registry; may be empty
     * @param scope what the registry says is needed; may be empty
     */
    record BearerChallenge(HttpUrl realm, String service, Scope scope) {}
}
