/**
 * A client of the OCI distribution API: references, documents, ranges of blobs, uploads, referrers.
 *
 * <p>{@link dev.thaw.oci.RegistryClient} is the door. Behind it stands one small class for each endpoint, all of which
 * speak through {@code Exchange}, the one place that knows credentials and follows redirects. Format and protocol facts
 * are those of the OCI image specification 1.1 and the OCI distribution specification 1.1; token exchange follows the
 * token and OAuth 2 pages of the distribution project.
 */
@NullMarked
package dev.thaw.oci;

import org.jspecify.annotations.NullMarked;
