package dev.thaw.operator.node;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusException;

/** Lets agents in, and tells the service which node a call comes from. */
final class AgentAuthentication implements ServerInterceptor {
    static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final String SCHEME = "Bearer ";

    private final Tokens tokens;

    AgentAuthentication(Tokens tokens) {
        this.tokens = tokens;
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        try {
            var caller = tokens.caller(token(headers));
            return Contexts.interceptCall(Context.current().withValue(Caller.KEY, caller), call, headers, next);
        } catch (StatusException e) {
            call.close(e.getStatus(), new Metadata());
            return new ServerCall.Listener<>() {};
        }
    }

    private static String token(Metadata headers) throws StatusException {
        var value = headers.get(AUTHORIZATION);
        if (value == null || !value.startsWith(SCHEME)) {
            throw Status.UNAUTHENTICATED
                    .withDescription("the call came without \"authorization: Bearer <token>\"")
                    .asException();
        }
        return value.substring(SCHEME.length());
    }
}
