package dev.thaw.agent.snapshot;

import dev.thaw.agent.AgentException.SnapshotRefused;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * containerd's filter language (its {@code pkg/filters}), over snapshots. One filter is a list of selectors that must all
 * match; of several filters one must match.
 *
 * <pre>
 * filter    = selector ("," selector)*
 * selector  = fieldpath [operator value]       without an operator: the field is there
 * fieldpath = field ("." field)*               name, parent, kind, labels.(key)
 * field     = quoted | [A-Za-z][A-Za-z0-9_]*
 * operator  = "==" | "!=" | "~="               the last is a regular expression found anywhere
 * value     = quoted | [^\s,]+
 * quoted    = a Go string in " or '; in | or / too, for expressions
 * </pre>
 */
final class Filters {
    private final String input;
    private int at;

    private Filters(String input) {
        this.input = input;
    }

    /** @throws SnapshotRefused invalid argument, if a filter cannot be read */
    static Predicate<Snapshot> parse(List<String> filters) throws SnapshotRefused {
        if (filters.isEmpty()) {
            return snapshot -> true;
        }
        Predicate<Snapshot> any = snapshot -> false;
        for (var filter : filters) {
            any = any.or(filter.isEmpty() ? snapshot -> true : new Filters(filter).filter());
        }
        return any;
    }

    private Predicate<Snapshot> filter() throws SnapshotRefused {
        var all = selector();
        while (at < input.length()) {
            expect(',');
            all = all.and(selector());
        }
        return all;
    }

    private Predicate<Snapshot> selector() throws SnapshotRefused {
        var path = fieldPath();
        if (at == input.length() || input.charAt(at) == ',') {
            return snapshot -> value(snapshot, path).isPresent();
        }
        var operator = input.substring(at, Math.min(at + 2, input.length()));
        at += operator.length();
        return switch (operator) {
            case "==" -> {
                var wanted = value(false);
                yield snapshot -> value(snapshot, path).equals(Optional.of(wanted));
            }
            case "!=" -> {
                var unwanted = value(false);
                yield snapshot -> !value(snapshot, path).orElse("").equals(unwanted);
            }
            case "~=" -> {
                var expression = expression(value(true));
                yield snapshot ->
                        expression.matcher(value(snapshot, path).orElse("")).find();
            }
            default -> throw invalid("expected ==, != or ~= instead of '" + operator + "'");
        };
    }

    private static Optional<String> value(Snapshot snapshot, List<String> path) {
        return switch (path.getFirst()) {
            case "name" -> Optional.of(snapshot.name());
            case "parent" -> Optional.of(snapshot.parent());
            case "kind" -> Optional.of(snapshot.kind().label());
            case "labels" -> Optional.ofNullable(snapshot.labels().get(String.join(".", path.subList(1, path.size()))));
            default -> Optional.empty();
        };
    }

    private Pattern expression(String text) throws SnapshotRefused {
        try {
            return Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            throw invalid("no regular expression: " + e.getDescription());
        }
    }

    private List<String> fieldPath() throws SnapshotRefused {
        var path = new ArrayList<String>();
        path.add(field());
        while (at < input.length() && input.charAt(at) == '.') {
            at++;
            path.add(field());
        }
        return path;
    }

    private String field() throws SnapshotRefused {
        if (at < input.length() && isQuote(input.charAt(at), false)) {
            return quoted();
        }
        int start = at;
        while (at < input.length() && isFieldCharacter(input.charAt(at), at == start)) {
            at++;
        }
        if (at == start) {
            throw invalid("expected a field");
        }
        return input.substring(start, at);
    }

    private static boolean isFieldCharacter(char c, boolean first) {
        boolean letter = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z';
        return letter || !first && (c >= '0' && c <= '9' || c == '_');
    }

    private String value(boolean expression) throws SnapshotRefused {
        if (at < input.length() && isQuote(input.charAt(at), expression)) {
            return quoted();
        }
        int start = at;
        while (at < input.length() && input.charAt(at) != ',' && !Character.isWhitespace(input.charAt(at))) {
            at++;
        }
        if (at == start) {
            throw invalid("expected a value");
        }
        return input.substring(start, at);
    }

    private static boolean isQuote(char c, boolean expression) {
        return c == '"' || c == '\'' || expression && (c == '|' || c == '/');
    }

    private String quoted() throws SnapshotRefused {
        char quote = input.charAt(at++);
        var text = new StringBuilder();
        while (at < input.length() && input.charAt(at) != quote) {
            char c = input.charAt(at++);
            // Between | or / a backslash belongs to the expression, but for one before the quote itself.
            if (c != '\\') {
                text.append(c);
            } else if (at < input.length() && (quote == '|' || quote == '/') && input.charAt(at) != quote) {
                text.append(c);
            } else {
                escape(text);
            }
        }
        expect(quote);
        return text.toString();
    }

    private void escape(StringBuilder text) throws SnapshotRefused {
        if (at == input.length()) {
            throw invalid("the text ends in an escape");
        }
        char c = input.charAt(at++);
        switch (c) {
            case 'a' -> text.append('\u0007');
            case 'b' -> text.append('\b');
            case 'f' -> text.append('\f');
            case 'n' -> text.append('\n');
            case 'r' -> text.append('\r');
            case 't' -> text.append('\t');
            case 'v' -> text.append('\u000b');
            case '\\', '"', '\'', '|', '/' -> text.append(c);
            case 'x' -> text.append((char) number(2, 16));
            case 'u' -> text.append((char) number(4, 16));
            case 'U' -> text.appendCodePoint(number(8, 16));
            default -> throw invalid("unknown escape \\" + c);
        }
    }

    private int number(int digits, int radix) throws SnapshotRefused {
        try {
            int number = Integer.parseInt(input, at, Math.min(at + digits, input.length()), radix);
            if (!Character.isValidCodePoint(number)) {
                throw invalid("no character has that number");
            }
            at += digits;
            return number;
        } catch (NumberFormatException e) {
            throw invalid("expected " + digits + " digits");
        }
    }

    private void expect(char c) throws SnapshotRefused {
        if (at >= input.length() || input.charAt(at) != c) {
            throw invalid("expected " + c);
        }
        at++;
    }

    private SnapshotRefused invalid(String message) {
        return Refused.invalid("filter [" + input + "], character " + at + ": " + message);
    }
}
