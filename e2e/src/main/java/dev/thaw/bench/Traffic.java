package dev.thaw.bench;

/** What went over the link: requests to the registry, and bytes from it, with HTTP's own. */
record Traffic(long requests, long bytes) {
    Traffic since(Traffic earlier) {
        return new Traffic(requests - earlier.requests, bytes - earlier.bytes);
    }
}
