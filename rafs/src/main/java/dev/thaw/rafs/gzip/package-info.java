/**
 * Entering a gzip stream in its middle. {@link dev.thaw.rafs.gzip.GzipScan} decodes a stream once and notes where one can enter;
 * {@link dev.thaw.rafs.gzip.ResumedGzip} decodes from such a place on, with the JDK's own inflater.
 */
@NullMarked
package dev.thaw.rafs.gzip;

import org.jspecify.annotations.NullMarked;
