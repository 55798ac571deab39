package dev.thaw.agent.log;

import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.slf4j.ILoggerFactory;
import org.slf4j.Logger;
import org.slf4j.event.Level;

/**
 * The loggers of a process, which share a form and a level. Without lambdas, as all of this package: the first of a process takes
 * longer than all that is said until readers are served.
 */
final class LineLoggers implements ILoggerFactory {
    /** Says for each connection that unix sockets know no keep-alive. */
    private static final String TALKATIVE = "io.netty.bootstrap.";

    private final Map<String, Logger> loggers = new ConcurrentHashMap<>();
    private final LineForm form;
    private final Level level;
    private final Consumer<String> out;

    LineLoggers(LineForm form, Level level, Consumer<String> out) {
        this.form = form;
        this.level = level;
        this.out = out;
    }

    /** {@code THAW_LOG_FORMAT} is {@code text}, the default, or {@code json}; {@code THAW_LOG_LEVEL} is one of SLF4J's, INFO by default. */
    static LineLoggers of(Map<String, String> environment, Consumer<String> out) {
        var form = environment.getOrDefault("THAW_LOG_FORMAT", "text").equalsIgnoreCase("json")
                ? LineForm.JSON
                : LineForm.TEXT;
        return new LineLoggers(form, level(environment.getOrDefault("THAW_LOG_LEVEL", "INFO")), out);
    }

    private static Level level(String name) {
        try {
            return Level.valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            return Level.INFO; // whoever wanted to see more of the log is to see it at all
        }
    }

    @Override
    public Logger getLogger(String name) {
        var known = loggers.get(name);
        if (known != null) {
            return known;
        }
        var made = new LineLogger(name, name.startsWith(TALKATIVE) ? Level.ERROR : level, form, out);
        var other = loggers.putIfAbsent(name, made);
        return other == null ? made : other;
    }
}
