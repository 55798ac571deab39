/** Layers of zstd frames, each of which can be decoded on its own (RFC 8878). */
@NullMarked
package dev.thaw.rafs.zstd;

import org.jspecify.annotations.NullMarked;
