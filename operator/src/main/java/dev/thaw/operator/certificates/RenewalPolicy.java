package dev.thaw.operator.certificates;

import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * When a certificate is renewed: at two thirds of its life.
 *
 * <pre>
 *  authority   A ────────────────── 2/3 ─────────── end
 *                                   B is made; A and B are both trusted ── A is forgotten
 *  server      a1 ── 2/3, a2 …      aN ── settled ── b1 …
 * </pre>
 *
 * A new authority does not sign at once: its clients (kubelet's volumes, the API server) need a while to hear of it. Until
 * it has settled the old authority's last certificate goes on being served.
 *
 * @param authorityLife life of an authority
 * @param servingLife life of a server's certificate
 * @param settle how long clients may need to hear of a new authority
 */
record RenewalPolicy(Duration authorityLife, Duration servingLife, Duration settle) {
    static final RenewalPolicy DEFAULT =
            new RenewalPolicy(Duration.ofDays(3 * 365), Duration.ofDays(90), Duration.ofMinutes(15));

    /** A first authority and certificate. */
    TlsState first(String authorityName, List<String> names, Instant now) throws GeneralSecurityException {
        var authority = Issuer.authority(authorityName, now, authorityLife);
        var server = Issuer.server(authority, names, now, servingLife);
        return new TlsState(List.of(authority.certificate()), authority.key(), server.certificate(), server.key());
    }

    /** The state that should be from now on; the same object when nothing is due. */
    TlsState renewed(TlsState state, String authorityName, List<String> names, Instant now)
            throws GeneralSecurityException {
        if (isOver(state.authority().certificate(), now)) {
            return first(authorityName, names, now);
        }
        return withServing(withAuthority(state, authorityName, now), names, now);
    }

    private TlsState withAuthority(TlsState state, String name, Instant now) throws GeneralSecurityException {
        var trusted = new ArrayList<>(state.authorities());
        boolean changed = trusted.removeIf(authority -> isOver(authority, now));
        var current = state.authority();
        if (isDue(current.certificate(), now)) {
            current = Issuer.authority(name, now, authorityLife);
            trusted.addFirst(current.certificate());
            changed = true;
        }
        return changed ? new TlsState(trusted, current.key(), state.serving(), state.servingKey()) : state;
    }

    private TlsState withServing(TlsState state, List<String> names, Instant now) throws GeneralSecurityException {
        boolean current = state.isServedByCurrentAuthority();
        boolean settled = !now.isBefore(state.authority()
                .certificate()
                .getNotBefore()
                .toInstant()
                .plus(Issuer.SKEW)
                .plus(settle));
        boolean wanted = !current
                || isDue(state.serving(), now)
                || !namesOf(state.serving()).containsAll(names);
        boolean possible = current || settled || isOver(state.serving(), now);
        if (!wanted || !possible) {
            return state;
        }
        var server = Issuer.server(state.authority(), names, now, servingLife);
        return new TlsState(state.authorities(), state.authorityKey(), server.certificate(), server.key());
    }

    private static boolean isDue(X509Certificate certificate, Instant now) {
        var from = certificate.getNotBefore().toInstant();
        var life = Duration.between(from, certificate.getNotAfter().toInstant());
        return !now.isBefore(from.plus(life.multipliedBy(2).dividedBy(3)));
    }

    private static boolean isOver(X509Certificate certificate, Instant now) {
        return !now.isBefore(certificate.getNotAfter().toInstant());
    }

    private static Set<String> namesOf(X509Certificate certificate) throws GeneralSecurityException {
        var names = new HashSet<String>();
        Collection<List<?>> alternatives = certificate.getSubjectAlternativeNames();
        if (alternatives != null) {
            alternatives.forEach(pair -> names.add(String.valueOf(pair.get(1))));
        }
        return names;
    }
}
