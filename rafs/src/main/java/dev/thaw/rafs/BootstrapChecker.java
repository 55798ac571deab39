package dev.thaw.rafs;

public final class BootstrapChecker {
    private BootstrapChecker() {}

    public static void check(Bootstrap bootstrap) throws CorruptImageException {
        throw new UnsupportedOperationException();
    }
}
