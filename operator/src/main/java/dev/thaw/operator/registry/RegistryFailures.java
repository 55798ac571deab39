package dev.thaw.operator.registry;

import dev.thaw.crds.Reason;
import dev.thaw.oci.RegistryException;
import dev.thaw.operator.conversion.Failure;
import java.io.IOException;

/** The border where what a registry answered becomes a reason that a condition can have. */
public final class RegistryFailures {
    private RegistryFailures() {}

    /** Why a source could not be read. */
    public static Failure reading(IOException failure) {
        var message = String.valueOf(failure.getMessage());
        return switch (failure) {
            case RegistryException.NotFound _ -> Failure.lasting(Reason.SOURCE_NOT_FOUND, message);
            case RegistryException.Unauthorized _, RegistryException.Denied _ ->
                Failure.lasting(Reason.SOURCE_UNAUTHORIZED, message);
            case RegistryException.Unavailable unavailable ->
                new Failure(Reason.REGISTRY_UNAVAILABLE, message, unavailable.isTransient());
            case RegistryException.Invalid _ -> Failure.lasting(Reason.UNSUPPORTED_MEDIA_TYPE, message);
            // too many requests, or a connection that broke off where nobody had put that into words
            default -> Failure.passing(Reason.REGISTRY_UNAVAILABLE, message);
        };
    }
}
