package dev.thaw.bench;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Charts as SVG, which needs no library and can be compared as text. */
final class Chart {
    private static final int WIDTH = 860;
    private static final int LEFT = 210;
    private static final int RIGHT = 70;
    private static final Map<String, String> COLOURS = Map.of(
            "overlayfs", "#7f8c8d",
            "stargz", "#e67e22",
            "nydus", "#2980b9",
            "nydus zran", "#85c1e9",
            "SOCI", "#c0a000",
            "Thaw Convert", "#c0392b",
            "Thaw Index", "#8e44ad",
            "Thaw learned", "#27ae60");

    private Chart() {}

    private static String colour(String system) {
        return COLOURS.getOrDefault(system, "#333333");
    }

    /** A bar: how long until ready, with a mark where the process started. */
    record Bar(String system, double entrypoint, double ready) {}

    /** A few bars that belong together. */
    record Group(String title, List<Bar> bars) {}

    /** Groups of bars, one below the other. Each group has a scale of its own, since images differ a hundredfold. */
    static String bars(String title, List<Group> groups) {
        int height = 60
                + groups.stream()
                        .mapToInt(group -> 34 + 20 * group.bars().size())
                        .sum();
        var svg = start(title, height);
        int y = 50;
        for (var group : groups) {
            double most = group.bars().stream().mapToDouble(Bar::ready).max().orElse(1);
            svg.append(text(10, y + 12, "start", "bold", group.title()));
            y += 20;
            for (var bar : group.bars()) {
                double full = (WIDTH - LEFT - RIGHT) * bar.ready() / most;
                double start = (WIDTH - LEFT - RIGHT) * bar.entrypoint() / most;
                svg.append(text(LEFT - 8, y + 12, "end", "normal", bar.system()));
                svg.append(format(
                        "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\" fill=\"%s\" fill-opacity=\"0.45\"/>\n",
                        LEFT, y + 1, full, colour(bar.system())));
                svg.append(format(
                        "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\" fill=\"%s\"/>\n",
                        LEFT, y + 1, start, colour(bar.system())));
                svg.append(text(LEFT + full + 5, y + 12, "start", "normal", Figures.seconds(bar.ready()) + " s"));
                y += 20;
            }
            y += 14;
        }
        return svg.append("</svg>\n").toString();
    }

    /** A line: for each share of the image that is read, how long until ready. */
    record Line(String system, Map<Integer, Double> readyByPercent) {}

    static String lines(String title, List<Line> lines) {
        int height = 420;
        int bottom = height - 50;
        int top = 60;
        double most = lines.stream()
                .flatMap(line -> line.readyByPercent().values().stream())
                .mapToDouble(Double::doubleValue)
                .max()
                .orElse(1);
        var svg = start(title, height);
        int left = 70;
        int width = WIDTH - left - 160;
        for (int step = 0; step <= 4; step++) {
            double y = bottom - (bottom - top) * step / 4.0;
            svg.append(format(
                    "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n",
                    left, y, left + width, y));
            svg.append(text(left - 8, y + 4, "end", "normal", Figures.seconds(most * step / 4) + " s"));
        }
        for (int percent : List.of(1, 5, 25, 80, 100)) {
            svg.append(text(left + width * percent / 100.0, bottom + 18, "middle", "normal", percent + " %"));
        }
        svg.append(
                text(left + width / 2.0, bottom + 38, "middle", "normal", "of the image is read before it is ready"));
        int row = 0;
        for (var line : lines) {
            var points = new StringBuilder();
            line.readyByPercent()
                    .forEach((percent, ready) -> points.append(format(
                            "%.1f,%.1f ", left + width * percent / 100.0, bottom - (bottom - top) * ready / most)));
            svg.append(format(
                    "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2.5\"/>\n",
                    points.toString().strip(), colour(line.system())));
            svg.append(format(
                    "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"4\" fill=\"%s\"/>\n",
                    left + width + 20, top + 20 * row + 4, colour(line.system())));
            svg.append(text(left + width + 40, top + 20 * row + 10, "start", "normal", line.system()));
            row++;
        }
        return svg.append("</svg>\n").toString();
    }

    private static StringBuilder start(String title, int height) {
        return new StringBuilder(format(
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
                                + " font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                        WIDTH, height))
                .append(text(10, 26, "start", "bold", title));
    }

    private static String text(double x, double y, String anchor, String weight, String text) {
        return format(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-weight=\"%s\">%s</text>\n",
                x, y, anchor, weight, text.replace("&", "&amp;").replace("<", "&lt;"));
    }

    private static String format(String form, Object... values) {
        return String.format(Locale.ROOT, form, values);
    }
}
