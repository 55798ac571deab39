package dev.thaw.operator.node;

import io.grpc.StatusException;

/** Tells who a bearer token belongs to. */
interface Tokens {
    /**
     * @throws StatusException UNAUTHENTICATED for a token that does not hold, PERMISSION_DENIED for one that belongs to
     *     somebody else than an agent, UNAVAILABLE when it cannot be found out now
     */
    Caller caller(String token) throws StatusException;
}
