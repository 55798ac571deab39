package dev.thaw.agent.image;

/** The kernel's driver over layers that are read in place. */
class ErofsInPlaceMountIT extends ErofsMountIT {
    @Override
    boolean isInPlace() {
        return true;
    }
}
