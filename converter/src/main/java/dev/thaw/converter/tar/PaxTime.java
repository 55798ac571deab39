package dev.thaw.converter.tar;

/** A time of a PAX record: decimal seconds since 1970 with an optional fraction, of which nine digits count. */
record PaxTime(long seconds, int nanos) {
    static PaxTime parse(String text, long offset) throws CorruptTarException {
        var dot = text.indexOf('.');
        var whole = dot < 0 ? text : text.substring(0, dot);
        var fraction = dot < 0 ? "" : text.substring(dot + 1);
        var seconds = PaxRecords.decimal(whole, "mtime", offset);
        var nanos = 0;
        for (var i = 0; i < 9; i++) {
            var digit = i < fraction.length() ? fraction.charAt(i) - '0' : 0;
            if (digit < 0 || digit > 9) {
                throw new CorruptTarException(offset, "the record mtime is no time");
            }
            nanos = nanos * 10 + digit;
        }
        if (text.startsWith("-") && nanos > 0) {
            return new PaxTime(seconds - 1, 1_000_000_000 - nanos);
        }
        return new PaxTime(seconds, nanos);
    }
}
