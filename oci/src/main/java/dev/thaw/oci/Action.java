package dev.thaw.oci;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import okhttp3.FormBody;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * What is being tried, and on what: the beginning of every message. Makes the exceptions, so that they all read alike.
 *
 * @param verb for example {@code pull the manifest of}
 * @param target for example {@code docker.io/library/nginx:1.27}
 */
record Action(String verb, String target) {
    /** An error body longer than this is not read to its end. */
    private static final int ERROR_BODY_BYTES = 16 << 10;

    Action(String verb, Reference target) {
        this(verb, target.toString());
    }

    Action(String verb, Digest blob, Reference repository) {
        this(verb, repository.name() + "@" + blob);
    }

    /** What an unexpected status means. Reads and closes the response. */
    RegistryException refused(Response response) {
        try (response) {
            var status = response.code();
            var what = "%s answered %d%s".formatted(line(response.request()), status, explanation(response));
            var retryAfter = retryAfter(response);
            return switch (status) {
                case 401 ->
                    new RegistryException.Unauthorized(
                            sentence(
                                    what, "give a credential that may do this, or check whether the repository exists"),
                            status);
                case 403 ->
                    new RegistryException.Denied(
                            sentence(what, "the credential used may not do this; grant it, or use another"), status);
                case 404, 410 ->
                    new RegistryException.NotFound(
                            sentence(what, "check the name; a private repository may also be hidden this way"), status);
                case 429 ->
                    new RegistryException.RateLimited(
                            sentence(what, "wait, log in for a higher limit, or use a mirror"), status, retryAfter);
                case 405, 501 ->
                    new RegistryException.Denied(
                            sentence(
                                    what, "the registry does not permit this operation; it may have to be switched on"),
                            status);
                default ->
                    status >= 500 || status == 408
                            ? new RegistryException.Unavailable(
                                    sentence(what, "the registry is in trouble; try again later"),
                                    status,
                                    true,
                                    retryAfter,
                                    null)
                            : new RegistryException.Invalid(
                                    sentence(what, "the registry or something before it does not accept this request"),
                                    status);
            };
        }
    }

    /** The endpoint has asked not to be asked before this has passed. */
    RegistryException held(Endpoint endpoint, Duration pause) {
        return new RegistryException.RateLimited(
                sentence(
                        "%s has asked not to be asked for another %d ms".formatted(endpoint, pause.toMillis()),
                        "wait, log in for a higher limit, or use a mirror"),
                429,
                pause);
    }

    /** What it means that no answer came. */
    RegistryException unreachable(Request request, IOException cause) {
        var host = request.url().host() + ":" + request.url().port();
        var text =
                Printable.of(cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage(), 200);
        var plain = cause instanceof SSLException && text.contains("unrecognized SSL message");
        var untrusted = causedBy(cause, CertificateException.class) || cause instanceof SSLPeerUnverifiedException;
        var advice = switch (cause) {
            case UnknownHostException e -> "check the host's name and the resolver";
            case ConnectException e -> "check that the registry runs and that a proxy or firewall lets us through";
            case SSLException e
            when plain -> "it seems to speak plain HTTP; name it among the plain-HTTP hosts if that is meant";
            case SSLException e -> "if its authority is your own, give its certificate";
            case SocketTimeoutException e -> "it is slow or unreachable";
            default -> "try again";
        };
        // Trust and protocol do not change by waiting.
        var passing = !plain && !untrusted;
        var what = "%s got no answer from %s (%s)"
                .formatted(
                        line(request), host, text.isBlank() ? cause.getClass().getSimpleName() : text);
        return new RegistryException.Unavailable(sentence(what, advice), 0, passing, null, cause);
    }

    private static boolean causedBy(Throwable failure, Class<? extends Throwable> type) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (type.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }

    /** The answer, or what it carries, is not what it must be. */
    RegistryException.Invalid invalid(String what, String advice) {
        return new RegistryException.Invalid(sentence(what, advice), 0);
    }

    RegistryException.Unauthorized unauthorized(String what, String advice) {
        return new RegistryException.Unauthorized(sentence(what, advice), 401);
    }

    RegistryException.Unavailable brokenOff(String what, @Nullable IOException cause) {
        return new RegistryException.Unavailable(
                sentence(what, "the connection or the registry is unreliable; try again"), 0, true, null, cause);
    }

    /** An interrupted thread is not a fault of the registry and must never look like one. */
    InterruptedIOException interrupted() {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("interrupted while trying to " + verb + " " + target);
    }

    private String sentence(String what, String advice) {
        return "cannot %s %s: %s; %s".formatted(verb, target, what, advice);
    }

    /** Method and URL without query, user and fragment: all three may hold secrets. */
    static String line(Request request) {
        return request.method() + " " + bare(request.url());
    }

    static String bare(HttpUrl url) {
        return url.newBuilder()
                .username("")
                .password("")
                .query(null)
                .fragment(null)
                .build()
                .toString();
    }

    /** The errors of the distribution API's body ({@code {"errors":[{"code","message"}]}}), if it has that form. */
    private static String explanation(Response response) {
        byte[] body;
        try {
            body = response.body().byteStream().readNBytes(ERROR_BODY_BYTES);
        } catch (IOException e) {
            return "";
        }
        JsonNode root;
        try {
            root = DocumentReader.json(body);
        } catch (IllegalArgumentException e) {
            return "";
        }
        var text = new StringBuilder();
        for (var error : root.path("errors")) {
            append(text, error.path("code").asText(""), error.path("message").asText(""));
        }
        if (text.isEmpty()) {
            // Token servers answer {"error","error_description"} or {"details"}.
            append(
                    text,
                    root.path("error").asText(""),
                    root.path("error_description").asText(root.path("details").asText("")));
        }
        return text.isEmpty()
                ? ""
                : " (" + Printable.of(withoutSecrets(text.toString(), response.request()), 300) + ")";
    }

    private static void append(StringBuilder text, String code, String message) {
        if (code.isEmpty() && message.isEmpty()) {
            return;
        }
        text.append(text.isEmpty() ? "" : ", ").append(code);
        text.append(code.isEmpty() || message.isEmpty() ? "" : ": ").append(message);
    }

    /** A server may repeat in its error what it was sent. */
    private static String withoutSecrets(String text, Request request) {
        var secrets = new ArrayList<String>();
        var authorization = request.header("Authorization");
        if (authorization != null) {
            secrets.add(authorization);
            secrets.addAll(Authorization.secretsOf(authorization));
        }
        if (request.body() instanceof FormBody form) {
            for (var i = 0; i < form.size(); i++) {
                if (form.name(i).equals(TokenServer.REFRESH_TOKEN)) {
                    secrets.add(form.value(i));
                }
            }
        }
        var clean = text;
        for (var secret : secrets) {
            clean = clean.replace(secret, "…");
        }
        return clean;
    }

    /** {@code Retry-After} as seconds or as a date (RFC 9110, section 10.2.3). */
    private static @Nullable Duration retryAfter(Response response) {
        var value = response.header("Retry-After");
        if (value == null) {
            return null;
        }
        try {
            return Duration.ofSeconds(Math.max(0, Long.parseLong(value.strip())));
        } catch (NumberFormatException notSeconds) {
            try {
                var until = ZonedDateTime.parse(value.strip(), DateTimeFormatter.RFC_1123_DATE_TIME)
                        .toInstant();
                var wait = Duration.between(Instant.now(), until);
                return wait.isNegative() ? Duration.ZERO : wait;
            } catch (DateTimeParseException notADate) {
                return null;
            }
        }
    }
}
