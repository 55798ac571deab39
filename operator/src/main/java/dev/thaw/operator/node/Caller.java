package dev.thaw.operator.node;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusException;

/**
 * The agent that a call comes from.
 *
 * @param node the node that its token is bound to
 * @param pod name of its pod
 */
record Caller(String node, String pod) {
    static final Context.Key<Caller> KEY = Context.key("thaw-caller");

    /** Who makes the current call. */
    static Caller current() throws StatusException {
        var caller = KEY.get();
        if (caller == null) {
            throw Status.UNAUTHENTICATED
                    .withDescription("the call came without a token")
                    .asException();
        }
        return caller;
    }
}
