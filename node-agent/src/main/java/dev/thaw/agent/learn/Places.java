package dev.thaw.agent.learn;

import dev.thaw.agent.image.LearnedTraces.Place;
import dev.thaw.agent.image.Recording.FirstRead;
import dev.thaw.node.v1.Chunks;
import java.util.ArrayList;
import java.util.List;

/** Places of chunks, as they are sent and kept. */
public final class Places {
    private Places() {}

    public static List<Place> of(Chunks chunks) {
        var places = new ArrayList<Place>();
        for (int i = 0; i < Math.min(chunks.getBlobCount(), chunks.getChunkCount()); i++) {
            places.add(new Place(chunks.getBlob(i), chunks.getChunk(i)));
        }
        return places;
    }

    /** Where reads went, in their order. */
    public static Chunks chunks(List<FirstRead> reads) {
        var chunks = Chunks.newBuilder();
        for (var read : reads) {
            chunks.addBlob(read.place().blob()).addChunk(read.place().chunk());
        }
        return chunks.build();
    }
}
