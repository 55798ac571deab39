package dev.thaw.operator.certificates;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.util.List;

/** Files that somebody else keeps fresh, such as a mounted Secret of cert-manager: tls.crt, tls.key and ca.crt. */
record MountedSource(Path folder) implements ServingSource {
    @Override
    public Serving load() throws IOException, GeneralSecurityException {
        try {
            var authorities = folder.resolve("ca.crt");
            List<X509Certificate> trusted =
                    Files.exists(authorities) ? Pem.certificates(Files.readString(authorities)) : List.of();
            return new Serving(
                    Pem.certificates(Files.readString(folder.resolve("tls.crt"))),
                    Pem.key(Files.readString(folder.resolve("tls.key"))),
                    trusted);
        } catch (GeneralSecurityException e) {
            throw new GeneralSecurityException("the files in " + folder + " cannot be served: " + e.getMessage(), e);
        }
    }
}
