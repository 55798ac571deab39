package dev.thaw.rafs;

/** The chunks of one regular file in a bootstrap that is being written. */
interface FileChunks {
    FileChunks NONE = new FileChunks() {
        @Override
        public int count() {
            return 0;
        }

        @Override
        public int blobIndex(int i) {
            throw new IndexOutOfBoundsException(i);
        }

        @Override
        public int chunkIndex(int i) {
            throw new IndexOutOfBoundsException(i);
        }

        @Override
        public long block(int i) {
            throw new IndexOutOfBoundsException(i);
        }
    };

    int count();

    /** Position of the blob in the bootstrap that is being written. */
    int blobIndex(int i);

    /** Position of the chunk in its blob's chunk table. */
    int chunkIndex(int i);

    /** Where the chunk starts on the blob's device, in blocks. */
    long block(int i);
}
