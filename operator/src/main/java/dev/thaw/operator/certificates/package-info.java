/**
 * Certificates of the operator's two TLS servers: the admission webhook and the NodeService. They are made here and kept
 * in Secrets, or mounted by somebody else; either way they are renewed without a restart.
 */
@NullMarked
package dev.thaw.operator.certificates;

import org.jspecify.annotations.NullMarked;
