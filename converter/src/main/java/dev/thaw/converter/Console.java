package dev.thaw.converter;

import dev.thaw.converter.report.ConversionException;
import dev.thaw.converter.report.PrintedProgress;
import dev.thaw.converter.report.PrintedProgress.Style;
import dev.thaw.converter.report.ResultDocument;
import dev.thaw.converter.report.StopSignal;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where the program speaks: results go to {@code out}, all else to {@code err}.
 *
 * @param stop tells commands to end early
 */
record Console(PrintStream out, PrintStream err, StopSignal stop) {
    /** How {@code --progress} is written. */
    enum ProgressChoice {
        /** A bar on a terminal, lines elsewhere. */
        auto,
        bar,
        lines,
        json,
        off
    }

    PrintedProgress progress(ProgressChoice choice) {
        return new PrintedProgress(
                err,
                switch (choice) {
                    case auto -> isTerminal() ? Style.BAR : Style.LINES;
                    case bar -> Style.BAR;
                    case lines -> Style.LINES;
                    case json -> Style.JSON;
                    case off -> Style.OFF;
                });
    }

    private static boolean isTerminal() {
        var console = System.console();
        return console != null && console.isTerminal();
    }

    /** Prints the document to standard output, and its brief form to a file if there is one. */
    void answer(ResultDocument document, @Nullable Path file) {
        out.println(document.full());
        out.flush();
        if (file != null) {
            try {
                document.writeTo(file);
            } catch (IOException e) {
                err.println("thaw-converter: the result could not be written to " + file + ": " + e.getMessage());
            }
        }
    }

    /** Says why it failed: to people in a line, to programs as a document. */
    void fail(ConversionException failure, @Nullable Path file) {
        err.println("thaw-converter: " + failure.reason() + ": " + failure.text());
        answer(ResultDocument.of(failure), file);
    }
}
