package dev.thaw.oci;

/** Text that came from outside, made fit for one line of a message or a log. */
final class Printable {
    private Printable() {}

    /** The text on one line, without control characters, cut to {@code limit} characters. */
    static String of(String text, int limit) {
        var out = new StringBuilder(Math.min(text.length(), limit));
        for (var i = 0; i < text.length(); i++) {
            if (out.length() == limit) {
                return out.append('…').toString();
            }
            var c = text.charAt(i);
            out.append(Character.isISOControl(c) ? ' ' : c);
        }
        return out.toString();
    }
}
