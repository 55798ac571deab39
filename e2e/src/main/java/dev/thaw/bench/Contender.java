package dev.thaw.bench;

import dev.thaw.demo.Child;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** One of the systems that are measured: how an image gets ready for it, and what runs on a node. */
interface Contender {
    /** As the tables call it. */
    String name();

    /** What this machine lacks for it, or the reason why it could not be installed. */
    Optional<String> missing(Programs programs);

    /** Publishes its form of an image that lies in the registry, unless that was done before. */
    void publish(String image, Registry registry, Programs programs, Path work)
            throws IOException, InterruptedException;

    /** What a node pulls. */
    String reference(String image);

    /**
     * What it runs on a node beside containerd; empty if containerd can do it alone.
     *
     * @param kept a folder for what it may learn on one node and use on the next
     */
    Optional<Snapshotter> snapshotter(Workload workload, Path kept);

    /** Whether it still has to see a start of that workload, which is not measured. */
    default boolean wantsRehearsal(Workload workload, Path kept) {
        return false;
    }

    /** A snapshotter that containerd reaches by a socket. */
    interface Snapshotter {
        /** containerd's name of it. */
        String name();

        /**
         * Starts its daemons. They must be able to serve when this returns.
         *
         * @param folder for all that they keep, which is empty
         * @param socket where containerd will look for it
         * @param containerd where containerd will be found
         */
        List<Child> start(Programs programs, Path folder, Path socket, Path containerd)
                throws IOException, InterruptedException;
    }
}
