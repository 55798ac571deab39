package dev.thaw.oci;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * A value of the {@code Authorization} header and how long it may be used.
 *
 * @param header the header's value, a secret
 * @param renewAt from when on another is to be had
 */
record Authorization(String header, Instant renewAt) {
    private static final String BASIC = "Basic ";

    static Authorization basic(Credential.Basic credential, Instant renewAt) {
        return new Authorization(basicHeader(credential), renewAt);
    }

    static Authorization bearer(String token, Instant renewAt) {
        return new Authorization("Bearer " + token, renewAt);
    }

    static String basicHeader(Credential.Basic credential) {
        var pair = credential.user() + ":" + credential.password();
        return BASIC + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
    }

    boolean isBasic() {
        return header.startsWith(BASIC);
    }

    boolean isFresh(Instant now) {
        return now.isBefore(renewAt);
    }

    /** Everything in a header's value that must not be repeated in a message. */
    static List<String> secretsOf(String header) {
        var secrets = new ArrayList<String>();
        var value = header.substring(header.indexOf(' ') + 1);
        secrets.add(value);
        if (header.startsWith(BASIC)) {
            var pair = new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8);
            secrets.add(pair);
            var password = pair.substring(pair.indexOf(':') + 1);
            if (!password.isEmpty()) {
                secrets.add(password);
            }
        }
        return secrets;
    }

    @Override
    public String toString() {
        return "Authorization[not shown]";
    }
}
