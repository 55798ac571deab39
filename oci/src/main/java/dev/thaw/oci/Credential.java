package dev.thaw.oci;

/** What a registry is shown to let somebody in. No form of it ever prints its secret. */
public sealed interface Credential {
    /** A user name and a password or access token, sent as HTTP Basic to the registry or to its token server. */
    record Basic(String user, String password) implements Credential {
        @Override
        public String toString() {
            return "Basic[user and password not shown]";
        }
    }

    /** A refresh token, exchanged for an access token by OAuth 2 (docker's {@code identitytoken}). */
    record IdentityToken(String token) implements Credential {
        @Override
        public String toString() {
            return "IdentityToken[not shown]";
        }
    }

    /** An access token, sent to the registry as it is (docker's {@code registrytoken}). */
    record RegistryToken(String token) implements Credential {
        @Override
        public String toString() {
            return "RegistryToken[not shown]";
        }
    }
}
