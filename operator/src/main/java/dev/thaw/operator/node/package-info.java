/** What node agents ask and tell: the NodeService server, the state of each node, and the cold starts of each image. */
@NullMarked
package dev.thaw.operator.node;

import org.jspecify.annotations.NullMarked;
