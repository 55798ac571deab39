package dev.thaw.operator.registry;

import dev.thaw.crds.LazyImageSpec;
import dev.thaw.crds.Names;
import dev.thaw.oci.Reference;

/** Where a lazy image is published. */
public final class TargetReference {
    private static final int LONGEST_TAG = 128;
    private static final int DIGEST_DIGITS = 12;

    private TargetReference() {}

    /**
     * Repository and tag that a spec asks for: by default those of the source with {@value Names#TAG_SUFFIX} after the
     * tag; of a source without a tag, after the first digits of its digest.
     *
     * @throws IllegalArgumentException if source or target cannot be read
     */
    public static Reference of(LazyImageSpec spec) {
        var source = Reference.parse(spec.image());
        var target = spec.target();
        var repository = target == null || target.repository() == null
                ? source.withoutTag()
                : Reference.parseRepository(target.repository()).withoutTag();
        var tag = target == null || target.tag() == null ? defaultTag(source) : target.tag();
        return repository.withTag(tag);
    }

    private static String defaultTag(Reference source) {
        var digest = source.digest();
        var tag = source.tag();
        if (tag == null) {
            tag = digest == null
                    ? "latest"
                    : digest.algorithm() + "-" + digest.hex().substring(0, DIGEST_DIGITS);
        }
        int room = LONGEST_TAG - Names.TAG_SUFFIX.length();
        return (tag.length() <= room ? tag : tag.substring(0, room)) + Names.TAG_SUFFIX;
    }
}
