/**
 * The operator as a program: its commands and settings, and how its parts are put together. This package uses every other
 * one, and none uses it.
 *
 * <p>Every replica serves the webhook. One leads: it reconciles, and it alone serves the NodeService, whose reports live in
 * memory. It labels its own pod, and the NodeService's Service selects that label.
 */
@NullMarked
package dev.thaw.operator;

import org.jspecify.annotations.NullMarked;
