package dev.thaw.operator;

import java.util.List;

/** The environment does not say what the operator needs. The message names every variable that is wrong. */
public final class InvalidSettings extends Exception {
    private static final long serialVersionUID = 1L;

    InvalidSettings(List<String> mistakes) {
        super(String.join("; ", mistakes));
    }
}
