/** What the converter tells the outside: why it failed, how far it is, what came of it. */
@NullMarked
package dev.thaw.converter.report;

import org.jspecify.annotations.NullMarked;
