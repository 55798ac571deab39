package dev.thaw.agent.log;

import java.io.Serial;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;

/** Writes what is said at its level and above, a line each. */
final class LineLogger extends LegacyAbstractLogger {
    @Serial
    private static final long serialVersionUID = 1;

    private final Level level;
    private final LineForm form;
    private final transient Consumer<String> out;

    LineLogger(String name, Level level, LineForm form, Consumer<String> out) {
        this.name = name;
        this.level = level;
        this.form = form;
        this.out = out;
    }

    private boolean isEnabled(Level asked) {
        return asked.toInt() >= level.toInt();
    }

    @Override
    public boolean isTraceEnabled() {
        return isEnabled(Level.TRACE);
    }

    @Override
    public boolean isDebugEnabled() {
        return isEnabled(Level.DEBUG);
    }

    @Override
    public boolean isInfoEnabled() {
        return isEnabled(Level.INFO);
    }

    @Override
    public boolean isWarnEnabled() {
        return isEnabled(Level.WARN);
    }

    @Override
    public boolean isErrorEnabled() {
        return isEnabled(Level.ERROR);
    }

    @Override
    protected @Nullable String getFullyQualifiedCallerName() {
        return null;
    }

    @Override
    protected void handleNormalizedLoggingCall(
            Level at,
            @Nullable Marker marker,
            String pattern,
            Object @Nullable [] arguments,
            @Nullable Throwable thrown) {
        var message = arguments == null ? pattern : MessageFormatter.basicArrayFormat(pattern, arguments);
        out.accept(form.line(System.currentTimeMillis(), at, name, String.valueOf(message), thrown));
    }
}
