package dev.thaw.agent.image;

import dev.thaw.agent.config.AgentSettings.Driver;

final class FuseMountIT extends MountContract {
    @Override
    Driver choice() {
        return Driver.Fuse;
    }
}
