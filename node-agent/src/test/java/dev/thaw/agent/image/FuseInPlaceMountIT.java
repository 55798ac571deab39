package dev.thaw.agent.image;

/** The portable driver over layers that are read in place. */
class FuseInPlaceMountIT extends FuseMountIT {
    @Override
    boolean isInPlace() {
        return true;
    }
}
