package dev.thaw.agent.install;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.tomlj.TomlArray;
import org.tomlj.TomlTable;

/** Writes TOML: just what a copy of a runtime's table needs. */
final class TomlText {
    private TomlText() {}

    /** {@code [a."b.c".d]}: each part quoted, so that none needs to be a bare key. */
    static String header(List<String> path) {
        return "[" + path.stream().map(TomlText::quoted).collect(Collectors.joining(".")) + "]\n";
    }

    /** The table and the tables in it, each under a header of its own. */
    static String table(List<String> path, TomlTable table) {
        var own = new StringBuilder(header(path));
        var inner = new StringBuilder();
        for (var key : table.keySet()) {
            var value = table.get(List.of(key));
            if (value instanceof TomlTable child) {
                var childPath = new ArrayList<>(path);
                childPath.add(key);
                inner.append(table(childPath, child));
            } else if (value != null) {
                own.append(quoted(key)).append(" = ").append(value(value)).append('\n');
            }
        }
        return own.append(inner).toString();
    }

    private static String value(Object value) {
        return switch (value) {
            case String text -> quoted(text);
            case TomlArray array ->
                IntStream.range(0, array.size())
                        .mapToObj(i -> value(array.get(i)))
                        .collect(Collectors.joining(", ", "[", "]"));
            case TomlTable table ->
                table.keySet().stream()
                        .map(key -> quoted(key) + " = " + value(Objects.requireNonNull(table.get(List.of(key)))))
                        .collect(Collectors.joining(", ", "{", "}"));
            // numbers, booleans and times are written as TOML writes them
            default -> value.toString();
        };
    }

    static String quoted(String text) {
        var out = new StringBuilder("\"");
        text.codePoints().forEach(c -> {
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                default -> {
                    if (c < 0x20 || c == 0x7f) {
                        out.append("\\u%04x".formatted(c));
                    } else {
                        out.appendCodePoint(c);
                    }
                }
            }
        });
        return out.append('"').toString();
    }
}
