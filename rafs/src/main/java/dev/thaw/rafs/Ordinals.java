package dev.thaw.rafs;

/** Sorting of numbers that stand for something else, without a box around each. */
final class Ordinals {
    /** Compares what two numbers stand for. */
    @FunctionalInterface
    interface Order {
        int compare(int a, int b);
    }

    private Ordinals() {}

    /** Stable merge sort; needs as much memory again. */
    @SuppressWarnings("ReferenceEquality") // which of the two arrays is meant
    static void sort(int[] numbers, Order order) {
        int[] from = numbers;
        int[] to = new int[numbers.length];
        for (long width = 1; width < numbers.length; width *= 2) {
            for (long start = 0; start < numbers.length; start += 2 * width) {
                int middle = (int) Math.min(start + width, numbers.length);
                int end = (int) Math.min(start + 2 * width, numbers.length);
                merge(from, to, (int) start, middle, end, order);
            }
            int[] swap = from;
            from = to;
            to = swap;
        }
        if (from != numbers) {
            System.arraycopy(from, 0, numbers, 0, numbers.length);
        }
    }

    private static void merge(int[] from, int[] to, int start, int middle, int end, Order order) {
        int left = start;
        int right = middle;
        for (int i = start; i < end; i++) {
            boolean takeLeft = right >= end || (left < middle && order.compare(from[left], from[right]) <= 0);
            to[i] = takeLeft ? from[left++] : from[right++];
        }
    }
}
