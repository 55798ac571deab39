package dev.thaw.operator;

import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The environment variables of the operator. The help text and the checks are made from this list. */
enum Setting {
    THAW_NAMESPACE(null, "The operator's own namespace, where agents run and Secrets are kept"),
    THAW_POD_NAME(null, "Name of this pod: who is who in the leader election"),
    THAW_AGENT_IMAGE(null, "Image of node agents whose SnapshotterConfig names none"),
    THAW_CONVERTER_IMAGE(null, "Image of conversion Jobs"),
    THAW_AGENT_SERVICE_ACCOUNT("thaw-agent", "Service account of the agents, whose tokens are let in"),
    THAW_IMAGE_PULL_POLICY("IfNotPresent", "Pull policy of agents and converters: IfNotPresent, Always or Never"),
    THAW_IMAGE_PULL_SECRETS("", "Secrets of the own namespace that agents are pulled with, separated by commas"),
    THAW_NODE_SERVICE_HOST(null, "Name of the NodeService's Service: <service>.<namespace>.svc"),
    THAW_NODE_SERVICE_PORT("9444", "Port of the NodeService, and of its Service"),
    THAW_NODE_SERVICE_AUDIENCE("thaw.dev", "Audience that the agents' tokens are made for"),
    THAW_WEBHOOK_SERVICE("thaw-webhook", "Name of the webhook's Service"),
    THAW_WEBHOOK_CONFIGURATION("", "The MutatingWebhookConfiguration of the pod webhook; empty: no webhook is served"),
    THAW_WEBHOOK_PORT("9443", "Port of the webhook"),
    THAW_HTTP_PORT("8080", "Port of /metrics, /healthz and /readyz"),
    THAW_CERTIFICATES("SelfMade", "SelfMade: kept in Secrets and renewed here. Mounted: read from files"),
    THAW_WEBHOOK_TLS_SECRET("thaw-webhook-tls", "SelfMade: Secret with the webhook's certificate"),
    THAW_NODE_TLS_SECRET("thaw-node-tls", "SelfMade: Secret with the NodeService's certificate"),
    THAW_WEBHOOK_TLS_DIR("/etc/thaw/tls/webhook", "Mounted: folder with the webhook's tls.crt, tls.key and ca.crt"),
    THAW_NODE_TLS_DIR("/etc/thaw/tls/node", "Mounted: folder with the NodeService's tls.crt, tls.key and ca.crt"),
    THAW_LEADER_ELECTION("true", "true: one of several replicas leads. false: this one does, at once"),
    THAW_LEADER_ELECTION_LEASE("thaw-operator", "Name of the Lease"),
    THAW_WATCH_NAMESPACES("", "Namespaces whose LazyImages are looked after, separated by commas; empty: all"),
    THAW_AUTO_CREATE(
            "false", "true: images of annotated pods get a LazyImage, where the namespace's label does not say"),
    THAW_DEFAULT_SNAPSHOTTER_CONFIG("", "File with a SnapshotterConfig that the leader applies when it starts"),
    THAW_REGISTRIES_FILE("", "File with registries that speak plain HTTP or have an authority of their own"),
    THAW_LOG_LEVEL("INFO", "Level of the log"),
    THAW_LOG_FORMAT("Text", "Text or Json");

    private final @Nullable String otherwise;
    private final String meaning;

    Setting(@Nullable String otherwise, String meaning) {
        this.otherwise = otherwise;
        this.meaning = meaning;
    }

    /** What holds when the variable is not set; empty for one that must be. */
    Optional<String> otherwise() {
        return Optional.ofNullable(otherwise);
    }

    String meaning() {
        return meaning;
    }

    static boolean isKnown(String variable) {
        return Arrays.stream(values()).anyMatch(setting -> setting.name().equals(variable));
    }

    /** One line for the help text. */
    String line() {
        var standard = otherwise == null ? "required" : otherwise.isEmpty() ? "none" : otherwise;
        return "  %s (%s)%n      %s.".formatted(name(), standard, meaning);
    }
}
