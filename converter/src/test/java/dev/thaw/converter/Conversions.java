package dev.thaw.converter;

import dev.thaw.converter.ConversionRequest.Mode;
import dev.thaw.converter.registry.Repository;
import dev.thaw.converter.registry.Repository.Side;
import dev.thaw.converter.registry.Traffic;
import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.ConversionResult;
import dev.thaw.converter.report.Progress;
import dev.thaw.converter.report.StopSignal;
import dev.thaw.oci.CredentialSource;
import dev.thaw.oci.FakeRegistry;
import dev.thaw.oci.Platform;
import dev.thaw.oci.Reference;
import dev.thaw.oci.RegistryClient;
import dev.thaw.rafs.Codec;
import dev.thaw.rafs.DigestAlgorithm;
import dev.thaw.rafs.LayerOptions;
import java.nio.file.Path;
import java.util.List;

/** Runs conversions against a registry in memory. */
final class Conversions implements AutoCloseable {
    /** Small chunks, so that small files have several. */
    static final LayerOptions SMALL_CHUNKS = new LayerOptions(4096, Codec.ZSTD, DigestAlgorithm.SHA256, 3);

    private final RegistryClient client;
    private final Path work;

    Conversions(FakeRegistry registry, Path work) {
        this(registry, work, CredentialSource.anonymous());
    }

    Conversions(FakeRegistry registry, Path work, CredentialSource credentials) {
        this.client = new RegistryClient(registry.settings(), credentials);
        this.work = work;
    }

    RegistryClient client() {
        return client;
    }

    ConversionResult run(Reference source) throws ConversionException {
        return run(request(source));
    }

    ConversionResult run(ConversionRequest request) throws ConversionException {
        return run(request, new StopSignal());
    }

    ConversionResult run(ConversionRequest request, StopSignal stop) throws ConversionException {
        return run(request, stop, Progress.silent());
    }

    ConversionResult run(ConversionRequest request, StopSignal stop, Progress progress) throws ConversionException {
        return run(request, stop, progress, ModeChoice.Limits.USUAL);
    }

    /** With other ideas of how large an image is. */
    ConversionResult run(ConversionRequest request, ModeChoice.Limits limits) throws ConversionException {
        return run(request, new StopSignal(), Progress.silent(), limits);
    }

    private ConversionResult run(
            ConversionRequest request, StopSignal stop, Progress progress, ModeChoice.Limits limits)
            throws ConversionException {
        var traffic = new Traffic();
        return new Converter(
                        new Repository(client, request.source(), Side.SOURCE, traffic),
                        new Repository(client, request.target(), Side.TARGET, traffic),
                        traffic,
                        progress,
                        stop,
                        limits)
                .convert(request);
    }

    ConversionRequest request(Reference source) {
        return request(source, ConversionRequest.defaultTarget(source), List.of(), true, 2);
    }

    ConversionRequest request(
            Reference source, Reference target, List<Platform> platforms, boolean verify, int parallel) {
        return new ConversionRequest(
                source, target, platforms, SMALL_CHUNKS, Mode.Convert, true, verify, parallel, work);
    }

    /** With a lazy image as the dictionary of chunks. */
    ConversionRequest request(Reference source, Reference target, Reference dictionary) {
        return new ConversionRequest(
                source,
                target,
                List.of(),
                SMALL_CHUNKS,
                dictionary,
                Mode.Convert,
                true,
                true,
                2,
                work,
                ConversionRequest.DEFAULT_SPAN_BYTES);
    }

    @Override
    public void close() {
        client.close();
    }
}
