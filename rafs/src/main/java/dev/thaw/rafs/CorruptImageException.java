package dev.thaw.rafs;

/**
 * An image, blob or table that breaks the rules of its format, or that uses a feature which this reader does not know. Retrying
 * on the same bytes is pointless.
 */
public final class CorruptImageException extends Exception {
    private static final long serialVersionUID = 1;

    private final String resource;
    private final long offset;
    private final String reason;

    /**
     * @param resource what was read, for people: a file or a blob id
     * @param offset byte position in the resource at which the rule is broken; -1 if it concerns the whole
     * @param reason what is wrong, in a few words
     */
    public CorruptImageException(String resource, long offset, String reason) {
        super(offset < 0 ? resource + ": " + reason : resource + " at byte " + offset + ": " + reason);
        this.resource = resource;
        this.offset = offset;
        this.reason = reason;
    }

    public String resource() {
        return resource;
    }

    public long offset() {
        return offset;
    }

    public String reason() {
        return reason;
    }
}
