package dev.thaw.agent.image;

import dev.thaw.agent.config.AgentSettings.Driver;

final class ErofsMountIT extends MountContract {
    @Override
    Driver choice() {
        return Driver.Erofs;
    }
}
