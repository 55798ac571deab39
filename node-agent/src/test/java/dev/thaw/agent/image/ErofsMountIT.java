package dev.thaw.agent.image;

import dev.thaw.agent.config.AgentSettings.Driver;

class ErofsMountIT extends MountContract {
    @Override
    Driver choice() {
        return Driver.Erofs;
    }
}
