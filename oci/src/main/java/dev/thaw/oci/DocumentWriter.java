package dev.thaw.oci;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Writes OCI documents with a fixed order of keys and no spaces, so that equal content has an equal digest. */
final class DocumentWriter {
    private static final JsonFactory JSON = new JsonFactory();

    private DocumentWriter() {}

    static byte[] index(List<Descriptor> manifests, Map<String, String> annotations) {
        return write(json -> {
            json.writeNumberField("schemaVersion", 2);
            json.writeStringField("mediaType", MediaTypes.OCI_INDEX);
            writeDescriptors(json, "manifests", manifests);
            writeAnnotations(json, annotations);
        });
    }

    static byte[] manifest(
            Descriptor config,
            List<Descriptor> layers,
            @Nullable String artifactType,
            @Nullable Descriptor subject,
            Map<String, String> annotations) {
        return write(json -> {
            json.writeNumberField("schemaVersion", 2);
            json.writeStringField("mediaType", MediaTypes.OCI_MANIFEST);
            if (artifactType != null) {
                json.writeStringField("artifactType", artifactType);
            }
            json.writeFieldName("config");
            writeDescriptor(json, config);
            writeDescriptors(json, "layers", layers);
            if (subject != null) {
                json.writeFieldName("subject");
                writeDescriptor(json, subject);
            }
            writeAnnotations(json, annotations);
        });
    }

    private static void writeDescriptors(JsonGenerator json, String field, List<Descriptor> descriptors)
            throws IOException {
        json.writeArrayFieldStart(field);
        for (var descriptor : descriptors) {
            writeDescriptor(json, descriptor);
        }
        json.writeEndArray();
    }

    private static void writeDescriptor(JsonGenerator json, Descriptor descriptor) throws IOException {
        json.writeStartObject();
        json.writeStringField("mediaType", descriptor.mediaType());
        if (descriptor.artifactType() != null) {
            json.writeStringField("artifactType", descriptor.artifactType());
        }
        json.writeStringField("digest", descriptor.digest().toString());
        json.writeNumberField("size", descriptor.sizeBytes());
        if (!descriptor.urls().isEmpty()) {
            writeStrings(json, "urls", descriptor.urls());
        }
        writeAnnotations(json, descriptor.annotations());
        if (descriptor.platform() != null) {
            writePlatform(json, descriptor.platform());
        }
        json.writeEndObject();
    }

    private static void writePlatform(JsonGenerator json, Platform platform) throws IOException {
        json.writeObjectFieldStart("platform");
        json.writeStringField("architecture", platform.architecture());
        json.writeStringField("os", platform.os());
        if (platform.osVersion() != null) {
            json.writeStringField("os.version", platform.osVersion());
        }
        if (!platform.osFeatures().isEmpty()) {
            writeStrings(json, "os.features", platform.osFeatures());
        }
        if (platform.variant() != null) {
            json.writeStringField("variant", platform.variant());
        }
        json.writeEndObject();
    }

    private static void writeStrings(JsonGenerator json, String field, List<String> values) throws IOException {
        json.writeArrayFieldStart(field);
        for (var value : values) {
            json.writeString(value);
        }
        json.writeEndArray();
    }

    private static void writeAnnotations(JsonGenerator json, Map<String, String> annotations) throws IOException {
        if (annotations.isEmpty()) {
            return;
        }
        json.writeObjectFieldStart("annotations");
        for (var entry : new TreeMap<>(annotations).entrySet()) {
            json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
    }

    @FunctionalInterface
    private interface Body {
        void writeTo(JsonGenerator json) throws IOException;
    }

    private static byte[] write(Body body) {
        var out = new ByteArrayOutputStream();
        try (var json = JSON.createGenerator(out)) {
            json.writeStartObject();
            body.writeTo(json);
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory does not fail", e);
        }
        return out.toByteArray();
    }
}
