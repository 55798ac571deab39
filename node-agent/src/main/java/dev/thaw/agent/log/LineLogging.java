package dev.thaw.agent.log;

import java.util.function.Consumer;
import org.slf4j.ILoggerFactory;
import org.slf4j.IMarkerFactory;
import org.slf4j.helpers.BasicMDCAdapter;
import org.slf4j.helpers.BasicMarkerFactory;
import org.slf4j.spi.MDCAdapter;
import org.slf4j.spi.SLF4JServiceProvider;

/**
 * What SLF4J logs by when {@code jvm.options} name it. Readers of running containers wait while an agent starts; a logging
 * library that configures itself from a file would take a third of that time.
 */
public final class LineLogging implements SLF4JServiceProvider {
    private final ILoggerFactory loggers = LineLoggers.of(System.getenv(), toStandardError());
    private final IMarkerFactory markers = new BasicMarkerFactory();
    private final MDCAdapter context = new BasicMDCAdapter();

    /** Each line whole, whoever else writes. */
    private static Consumer<String> toStandardError() {
        return new Consumer<>() {
            @Override
            public void accept(String line) {
                System.err.print(line);
            }
        };
    }

    @Override
    public ILoggerFactory getLoggerFactory() {
        return loggers;
    }

    @Override
    public IMarkerFactory getMarkerFactory() {
        return markers;
    }

    @Override
    public MDCAdapter getMDCAdapter() {
        return context;
    }

    @Override
    public String getRequestedApiVersion() {
        return "2.0.99";
    }

    @Override
    public void initialize() {}
}
