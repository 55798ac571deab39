package dev.thaw.converter;

import dev.thaw.converter.publish.LazyDocuments;
import dev.thaw.converter.publish.LazyNames;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.oci.Descriptor;
import dev.thaw.oci.ImageManifest;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Remembers in the target repository which blob a source layer became, so that an interrupted conversion goes on where it
 * stopped and images that share a base layer share its blob. A record is a manifest that refers to the layer ({@code subject}).
 */
final class LayerRecords {
    private static final Logger LOG = LoggerFactory.getLogger(LayerRecords.class);

    private final Repository target;
    private final ReentrantLock lock = new ReentrantLock();
    private boolean hasEmptyConfig;

    LayerRecords(Repository target) {
        this.target = target;
    }

    /**
     * The blob that the layer became under the same options, if it is still there.
     *
     * @param options the canonical text of everything that decides a blob's bytes beside its layer
     */
    Optional<Descriptor> find(Descriptor layer, String options) throws ConversionException {
        for (var entry : target.referrers(layer.digest(), LazyNames.LAYER_RECORD)) {
            var noted = entry.annotations().get(LazyNames.OPTIONS_ANNOTATION);
            if (noted == null || noted.equals(options)) {
                var blob = blob(layer, entry, options);
                if (blob.isPresent()) {
                    return blob;
                }
            }
        }
        return Optional.empty();
    }

    private Optional<Descriptor> blob(Descriptor layer, Descriptor entry, String options) throws ConversionException {
        try {
            if (target.document(entry.digest()) instanceof ImageManifest manifest
                    && options.equals(manifest.annotations().get(LazyNames.OPTIONS_ANNOTATION))
                    && manifest.subject() != null
                    && manifest.subject().digest().equals(layer.digest())
                    && manifest.layers().size() == 1
                    && manifest.layers().getFirst().mediaType().equals(LazyNames.NYDUS_BLOB)
                    && target.hasBlob(manifest.layers().getFirst().digest())) {
                return Optional.of(manifest.layers().getFirst());
            }
        } catch (ConversionException e) {
            if (e.reason().isRetryable()) {
                throw e;
            }
            LOG.warn("the record {} of layer {} is of no use: {}", entry.digest(), layer.digest(), e.text());
        }
        return Optional.empty();
    }

    void put(Descriptor layer, Descriptor blob, String options) throws ConversionException {
        pushEmptyConfig();
        target.putReferrer(LazyDocuments.layerRecord(layer, blob, options));
    }

    /**
     * Takes back the records under the same options by which the layer became another blob. A registry that does not let us is no
     * hindrance: the next conversion then finds out again what this one did.
     */
    void removeOthers(Descriptor layer, Descriptor blob, String options) {
        try {
            for (var entry : target.referrers(layer.digest(), LazyNames.LAYER_RECORD)) {
                if (blob(layer, entry, options)
                        .filter(other -> !other.digest().equals(blob.digest()))
                        .isPresent()) {
                    LOG.warn("the record {} of layer {} is wrong and taken back", entry.digest(), layer.digest());
                    target.removeReferrer(layer.digest(), entry.digest());
                }
            }
        } catch (ConversionException e) {
            LOG.warn("a wrong record of layer {} cannot be taken back: {}", layer.digest(), e.text());
        }
    }

    /**
     * All records share one configuration. It is pushed once and not by two workers at a time: the distribution project's
     * registry writes a blob's link anew with each push, and for that moment denies having the blob to whoever puts a manifest.
     */
    private void pushEmptyConfig() throws ConversionException {
        lock.lock();
        try {
            if (!hasEmptyConfig) {
                target.push(Descriptor.EMPTY_JSON.digest(), new byte[] {'{', '}'});
                hasEmptyConfig = true;
            }
        } finally {
            lock.unlock();
        }
    }
}
