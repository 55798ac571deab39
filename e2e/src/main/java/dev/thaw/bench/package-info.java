/** The benchmark: how fast containers start with Thaw and with its peers, from one registry over one shaped link. */
@NullMarked
package dev.thaw.bench;

import org.jspecify.annotations.NullMarked;
