package dev.thaw.operator.node;

import dev.thaw.node.v1.NodeServiceGrpc;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** Counts the calls of agents by method and outcome. */
final class CallMetrics implements ServerInterceptor {
    private final Map<String, Map<Status.Code, Counter>> calls;

    CallMetrics(MeterRegistry registry) {
        calls = NodeServiceGrpc.getServiceDescriptor().getMethods().stream()
                .collect(Collectors.toUnmodifiableMap(
                        MethodDescriptor::getFullMethodName, method -> counters(method, registry)));
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        var counters = calls.getOrDefault(call.getMethodDescriptor().getFullMethodName(), Map.of());
        return next.startCall(
                new SimpleForwardingServerCall<>(call) {
                    @Override
                    public void close(Status status, Metadata trailers) {
                        var counter = counters.get(status.getCode());
                        if (counter != null) {
                            counter.increment();
                        }
                        super.close(status, trailers);
                    }
                },
                headers);
    }

    private static Map<Status.Code, Counter> counters(MethodDescriptor<?, ?> method, MeterRegistry registry) {
        var counters = new HashMap<Status.Code, Counter>();
        for (var code : Status.Code.values()) {
            counters.put(
                    code,
                    Counter.builder("thaw.node.calls")
                            .tag("method", String.valueOf(method.getBareMethodName()))
                            .tag("code", code.name())
                            .description("Calls of node agents by method and outcome")
                            .register(registry));
        }
        return counters;
    }
}
