package dev.thaw.agent.snapshot;

import java.util.List;

/** One mount that containerd is to make: type and source as for mount(2), options in fstab's words. */
public record Mount(String type, String source, List<String> options) {
    public Mount {
        options = List.copyOf(options);
    }
}
