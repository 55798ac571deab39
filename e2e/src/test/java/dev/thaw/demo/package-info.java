@NullMarked
package dev.thaw.demo;

import org.jspecify.annotations.NullMarked;
