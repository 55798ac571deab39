/**
 * Reads tar archives entry by entry, byte for byte: names, link targets and extended attributes are never decoded as text, since
 * Linux knows no encoding for them. Understands v7, ustar, star, PAX and GNU archives, sparse files of all kinds among them.
 * Where the formats leave room, the reading follows Go's {@code archive/tar}, which is what containerd unpacks layers with.
 */
@NullMarked
package dev.thaw.converter.tar;

import org.jspecify.annotations.NullMarked;
