package dev.thaw.rafs;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

public final class BootstrapMerger {
    private BootstrapMerger() {}

    public static MergedBootstrap merge(List<MergeLayer> layers, Path out) throws IOException, CorruptImageException {
        throw new UnsupportedOperationException();
    }
}
