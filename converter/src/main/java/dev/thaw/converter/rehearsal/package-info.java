/** What a converter needs to do its work once without a network, so that its JVM can remember what that takes. */
@NullMarked
package dev.thaw.converter.rehearsal;

import org.jspecify.annotations.NullMarked;
