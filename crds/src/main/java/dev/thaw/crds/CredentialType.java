package dev.thaw.crds;

import com.fasterxml.jackson.annotation.JsonValue;

/** Where the agent gets registry credentials from. */
public enum CredentialType {
    /** The pull secrets of the LazyImage, handed out by the operator. */
    LAZY_IMAGE_SECRETS("LazyImageSecrets"),

    /** The kubelet's credential provider plugins on the node. */
    CREDENTIAL_PROVIDER("CredentialProvider"),

    /** A Docker configuration file on the node. */
    DOCKER_CONFIG("DockerConfig");

    private final String word;

    CredentialType(String word) {
        this.word = word;
    }

    /** The word that stands in YAML. */
    @JsonValue
    public String word() {
        return word;
    }

    @Override
    public String toString() {
        return word;
    }
}
