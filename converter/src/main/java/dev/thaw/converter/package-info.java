/**
 * Makes lazy images: reads an image from its registry, converts it layer by layer and publishes the result beside it. {@link
 * dev.thaw.converter.Converter} is the library, {@link dev.thaw.converter.Main} the command line. Knows registries and the RAFS format;
 * knows neither Kubernetes nor nodes.
 */
@NullMarked
package dev.thaw.converter;

import org.jspecify.annotations.NullMarked;
