@NullMarked
package dev.thaw.converter;

import org.jspecify.annotations.NullMarked;
