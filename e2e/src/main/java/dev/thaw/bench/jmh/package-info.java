/** Benchmarks of single steps of reading, by JMH; {@code e2e/bench/jmh} runs them. */
@NullMarked
package dev.thaw.bench.jmh;

import org.jspecify.annotations.NullMarked;
