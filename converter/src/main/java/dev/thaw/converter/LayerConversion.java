package dev.thaw.converter;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.layer.LayerItem;
import dev.thaw.converter.layer.LayerReader;
import dev.thaw.converter.layer.LayerStream;
import dev.thaw.converter.layer.LayerStream.Form;
import dev.thaw.converter.layer.LayerStream.Promise;
import dev.thaw.converter.publish.LazyDocuments;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Upload;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.FailureReason;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.converter.tar.ByteNames;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.Digest;
import dev.thaw.rafs.BlobInfo;
import dev.thaw.rafs.Bootstrap;
import dev.thaw.rafs.ChunkDictionary;
import dev.thaw.rafs.CorruptImageException;
import dev.thaw.rafs.LayerBlobWriter;
import dev.thaw.rafs.LayerEntry;
import dev.thaw.rafs.LayerIndexWriter;
import dev.thaw.rafs.NotIndexableException;
import dev.thaw.rafs.Xattr;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Optional;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Turns one source layer into one blob, of its contents or of where they lie in the layer: the layer streams in from its registry,
 * the blob streams out to the target, and neither is ever whole in memory or on disk.
 */
final class LayerConversion {
    /** Nothing refers back further than 32 KiB. */
    private static final int MIN_GRAIN_BYTES = 32 << 10;

    private final Repository source;
    private final Repository target;
    private final LayerRecords records;
    private final ConversionRequest request;
    private final boolean mayIndex;
    private final Executor compressors;
    private final int compressorsPerLayer;
    private final Path workDirectory;
    private final Progress progress;
    private final StopSignal stop;

    LayerConversion(
            Repository source,
            Repository target,
            LayerRecords records,
            ConversionRequest request,
            boolean mayIndex,
            Executor compressors,
            int compressorsPerLayer,
            Path workDirectory,
            Progress progress,
            StopSignal stop) {
        this.source = source;
        this.target = target;
        this.records = records;
        this.request = request;
        this.mayIndex = mayIndex;
        this.compressors = compressors;
        this.compressorsPerLayer = compressorsPerLayer;
        this.workDirectory = workDirectory;
        this.progress = progress;
        this.stop = stop;
    }

    /** Converts the layer unless a record says that it was, and leaves its bootstrap in the work directory. */
    ConvertedLayer convert(Descriptor layer, Promise promise, @Nullable Dictionary dictionary)
            throws IOException, CorruptImageException {
        if (!mayIndex) {
            return copied(layer, promise, dictionary);
        }
        var instead = copiedInstead(dictionary);
        if (known(layer, instead).isPresent() && request.mode() == Mode.Auto) {
            return copied(layer, promise, dictionary);
        }
        try {
            return convert(layer, promise, null, true);
        } catch (NotIndexableException e) {
            if (request.mode() == Mode.Index) {
                throw new ConversionException(
                        FailureReason.UnsupportedMediaType,
                        "layer " + layer.digest() + " cannot be read in place: " + e.getMessage()
                                + "; choose Auto, which copies such layers, or Convert",
                        e);
            }
            progress.say("Layer " + layer.digest() + " is copied, for it cannot be read in place: " + e.getMessage());
            var converted = copied(layer, promise, dictionary);
            records.put(layer, converted.blob(), instead);
            return converted;
        }
    }

    private ConvertedLayer copied(Descriptor layer, Promise promise, @Nullable Dictionary dictionary)
            throws IOException, CorruptImageException {
        return convert(layer, promise, dictionary, false);
    }

    /** What decides the blob of a layer that is copied. */
    private String copyOptions(@Nullable Dictionary dictionary) {
        return dictionary == null ? ConversionRequest.canonical(request.options()) : dictionary.options();
    }

    /** What notes that the layer cannot be read in place under these options, so that it is not tried again. */
    private String copiedInstead(@Nullable Dictionary dictionary) {
        return request.canonicalIndex() + ";copied=" + copyOptions(dictionary);
    }

    private Optional<Descriptor> known(Descriptor layer, String options) throws ConversionException {
        return request.mayReuse() ? records.find(layer, options) : Optional.empty();
    }

    /** A layer that the dictionary's image has too is its blob as a whole, and need not be read again. */
    private Optional<Descriptor> knownToOther(Descriptor layer, @Nullable Dictionary dictionary)
            throws ConversionException {
        var options = dictionary == null ? Optional.<String>empty() : dictionary.layerOptions(layer);
        return options.isEmpty() ? Optional.empty() : known(layer, options.get());
    }

    private ConvertedLayer convert(
            Descriptor layer, Promise promise, @Nullable Dictionary dictionary, boolean isIndexed)
            throws IOException, CorruptImageException {
        stop.check();
        var options = isIndexed ? request.canonicalIndex() : copyOptions(dictionary);
        var bootstrap = workDirectory.resolve("layer-" + layer.digest().hex() + ".boot");
        var needsCopy = !source.reference().sameRepository(target.reference())
                && !target.hasBlob(layer.digest())
                && !target.mount(layer.digest(), source);
        var own = known(layer, options);
        var known = (own.isPresent() ? own : knownToOther(layer, dictionary)).orElse(null);
        if (known != null && isSound(layer, known, bootstrap)) {
            if (own.isEmpty()) {
                records.put(layer, known, options); // for the image that has this one as its dictionary
            }
            if (needsCopy) {
                copy(layer, promise);
            } else {
                progress.advance(layer.sizeBytes());
            }
            return new ConvertedLayer(known, chunkCount(bootstrap), bootstrap, 0, true, isIndexed);
        }
        try (var tee = needsCopy ? target.upload() : null;
                var stream =
                        open(layer, promise, tee, isIndexed ? Math.max(MIN_GRAIN_BYTES, request.spanBytes() / 8) : 0)) {
            var chunks = dictionary == null ? ChunkDictionary.EMPTY : dictionary.chunks();
            var blob = isIndexed ? index(layer, stream, bootstrap) : convert(stream, chunks, bootstrap);
            if (tee != null) {
                tee.commit(layer.digest());
            }
            records.put(layer, blob, options);
            if (!request.mayReuse() || known != null) {
                records.removeOthers(layer, blob, options);
            }
            return new ConvertedLayer(
                    blob, chunkCount(bootstrap), bootstrap, stream.uncompressedBytes(), false, isIndexed);
        }
    }

    /** Whether what a record leads to is a layer blob at all; its bootstrap is then in the file. */
    private boolean isSound(Descriptor layer, Descriptor known, Path bootstrap) throws IOException {
        try {
            InlinedBootstrap.fetch(target, known, bootstrap);
            chunkCount(bootstrap);
            return true;
        } catch (CorruptImageException e) {
            progress.say("Converting layer " + layer.digest() + " anew, for its record leads to something else: "
                    + e.getMessage());
            return false;
        }
    }

    /** @param bootstrap where the layer's bootstrap is left */
    private Descriptor convert(LayerStream stream, ChunkDictionary chunks, Path bootstrap) throws IOException {
        try (var upload = target.upload();
                var writer = new LayerBlobWriter(upload, request.options(), chunks, compressors, compressorsPerLayer)) {
            var reader = new LayerReader(stream.content());
            for (var item = reader.next(); item != null; item = reader.next()) {
                stop.check();
                if (!item.isImplied()) { // the writer makes missing parents itself, and marks them for the merge
                    writer.add(entry(item), reader.content());
                }
            }
            stream.finish();
            var blob = writer.finish(bootstrap);
            stop.check();
            var digest = new Digest("sha256", blob.digest());
            upload.commit(digest);
            return LazyDocuments.blob(digest, blob.sizeBytes());
        } catch (IOException e) {
            throw stream.explain(e);
        }
    }

    /** @param bootstrap where the layer's bootstrap is left */
    private Descriptor index(Descriptor layer, LayerStream stream, Path bootstrap) throws IOException {
        try (var upload = target.upload()) {
            var scan = switch (stream.form()) {
                case Form.Compressed(var asked) -> asked.orElse(null);
                case Form.Plain() -> null;
            };
            var writer = new LayerIndexWriter(upload, request.options(), scan, request.spanBytes());
            var reader = new LayerReader(stream.content());
            for (var item = reader.next(); item != null; item = reader.next()) {
                stop.check();
                if (item.kind() == LayerItem.Kind.FILE && item.sizeBytes() > 0 && reader.contentOffset() < 0) {
                    throw new NotIndexableException(
                            "file " + ByteNames.text(item.path()) + " is sparse, and does not lie in it in one piece");
                }
                if (!item.isImplied()) {
                    writer.add(entry(item), reader.content(), reader.contentOffset());
                }
            }
            stream.finish();
            var blob = writer.finish(layer.digest().hex(), layer.sizeBytes(), bootstrap);
            stop.check();
            var digest = new Digest("sha256", blob.digest());
            upload.commit(digest);
            return LazyDocuments.index(digest, blob.sizeBytes(), layer.digest());
        } catch (NotIndexableException e) {
            throw e;
        } catch (IOException e) {
            throw stream.explain(e);
        }
    }

    private void copy(Descriptor layer, Promise promise) throws IOException {
        try (var upload = target.upload();
                var stream = open(layer, promise, upload, 0)) {
            try {
                stream.finish();
            } catch (IOException e) {
                throw stream.explain(e);
            }
            upload.commit(layer.digest());
        }
    }

    private LayerStream open(Descriptor layer, Promise promise, @Nullable Upload copy, int grainBytes)
            throws IOException {
        return new LayerStream(new Observed(source.unchecked(layer), copy), promise, grainBytes);
    }

    /** Chunks of the layer's own blob, or of the layer that it describes; not those of a dictionary's blobs. */
    private static int chunkCount(Path bootstrap) throws IOException, CorruptImageException {
        try (var opened = Bootstrap.open(bootstrap)) {
            return opened.blobs().stream()
                    .filter(blob -> blob.isPlaceholder() || blob.isLayer())
                    .mapToInt(BlobInfo::chunkCount)
                    .sum();
        }
    }

    private static LayerEntry entry(LayerItem item) {
        var kind = switch (item.kind()) {
            case DIRECTORY -> LayerEntry.Kind.DIRECTORY;
            case FILE, WHITEOUT, OPAQUE -> LayerEntry.Kind.FILE;
            case HARD_LINK -> LayerEntry.Kind.HARD_LINK;
            case SYMLINK -> LayerEntry.Kind.SYMLINK;
            case CHARACTER_DEVICE -> LayerEntry.Kind.CHARACTER_DEVICE;
            case BLOCK_DEVICE -> LayerEntry.Kind.BLOCK_DEVICE;
            case FIFO -> LayerEntry.Kind.FIFO;
        };
        var attributes = item.attributes();
        var xattrs = new ArrayList<Xattr>();
        attributes.xattrs().forEach((name, value) -> xattrs.add(new Xattr(ByteNames.bytes(name), value)));
        return new LayerEntry(
                ByteNames.bytes(item.path()),
                kind,
                attributes.mode(),
                attributes.uid(),
                attributes.gid(),
                attributes.mtimeSeconds(),
                attributes.mtimeNanos(),
                item.sizeBytes(),
                ByteNames.bytes(item.linkTarget()),
                item.devMajor(),
                item.devMinor(),
                xattrs);
    }

    /** Counts the layer's bytes as progress, and passes them on to a copy if there is one to make. */
    private final class Observed extends FilterInputStream {
        private final @Nullable Upload copy;

        Observed(InputStream in, @Nullable Upload copy) {
            super(in);
            this.copy = copy;
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            stop.check();
            var count = in.read(into, from, length);
            if (count > 0) {
                if (copy != null) {
                    copy.write(into, from, count);
                }
                progress.advance(count);
            }
            return count;
        }
    }
}
