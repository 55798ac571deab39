/**
 * RAFS v6, the format in which lazy images are stored: an EROFS image that holds the metadata (the bootstrap) and blobs that
 * hold the file contents in separately compressed chunks.
 *
 * <p>{@link dev.thaw.rafs.LayerBlobWriter} turns the entries of one tar layer into one blob, {@link
 * dev.thaw.rafs.LayerIndexWriter} describes where they lie in a layer that stays as it is, {@link
 * dev.thaw.rafs.BootstrapMerger} joins the layers' bootstraps to that of the image, {@link dev.thaw.rafs.Bootstrap}, {@link
 * dev.thaw.rafs.BlobSections} and {@link dev.thaw.rafs.ChunkTable} read them. Files in, files out: nothing here knows a
 * network. Numbers on disk are little-endian, names are bytes.
 */
@NullMarked
package dev.thaw.rafs;

import org.jspecify.annotations.NullMarked;
