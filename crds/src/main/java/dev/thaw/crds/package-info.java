/**
 * The two custom resources of Thaw as Java records, their conditions, and every name that the modules share.
 *
 * <p>Records fill in the defaults of the schema themselves, so that an object that never met an API server (a test, a
 * preview) reads the same as one that did.
 */
@NullMarked
package dev.thaw.crds;

import org.jspecify.annotations.NullMarked;
