package dev.thaw.agent.image;

import dev.thaw.oci.Digest;
import java.util.List;

/** What is known of how images are read when they start. */
@FunctionalInterface
public interface LearnedTraces {
    /** Knows nothing and learns nothing. */
    LearnedTraces NONE = artifact -> Learned.NOTHING;

    /** What starts of that image read elsewhere. Answers within seconds; nothing where nobody can be asked. */
    Learned of(Digest artifact);

    /**
     * What starts read.
     *
     * @param chunks in the order of their first reads
     * @param learning a record of a start here is welcome
     */
    record Learned(List<Place> chunks, boolean learning) {
        public static final Learned NOTHING = new Learned(List.of(), false);

        public Learned {
            chunks = List.copyOf(chunks);
        }
    }

    /**
     * Where a chunk is.
     *
     * @param blob position in the bootstrap's device table
     * @param chunk position in the blob's chunk table
     */
    record Place(int blob, int chunk) {}
}
