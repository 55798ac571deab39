package dev.thaw.agent.clock;

/** Where cold starts go: to the operator, to metrics, to the fetcher that waits for the first start. Must not block. */
public interface ColdStartSink {
    void report(ColdStart start);
}
