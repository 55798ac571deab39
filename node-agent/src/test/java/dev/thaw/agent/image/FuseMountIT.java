package dev.thaw.agent.image;

import dev.thaw.agent.config.AgentSettings.Driver;

class FuseMountIT extends MountContract {
    @Override
    Driver choice() {
        return Driver.Fuse;
    }
}
