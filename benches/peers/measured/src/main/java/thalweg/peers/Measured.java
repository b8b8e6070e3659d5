package thalweg.peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts finished records, checks that each key's come one after the other, and takes time and CPU of the whole process
 * from the first record to the last. May be called by any thread.
 */
public final class Measured {
    private static final OperatingSystemMXBean PROCESS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final long records;
    /** The sequence of the last finished record of each key. */
    private final ConcurrentHashMap<String, Long> finishedUpTo = new ConcurrentHashMap<>();
    private final AtomicLong finished = new AtomicLong();
    private final AtomicLong outOfOrder = new AtomicLong();
    private final AtomicBoolean begun = new AtomicBoolean();
    private final CountDownLatch ended = new CountDownLatch(1);
    private long beginNanos;
    private long beginCpuNanos;
    private volatile String report;

    public Measured(long records) {
        this.records = records;
    }

    /** To be called with every record before anything else is done with it. */
    public void begin() {
        if (!begun.get() && begun.compareAndSet(false, true)) {
            beginNanos = System.nanoTime();
            beginCpuNanos = PROCESS.getProcessCpuTime();
        }
    }

    /** A record begins to wait: the one before it with its key must have finished. */
    public void waits(MessageEvent event) {
        Long before = finishedUpTo.get(event.key());
        if (event.sequence() != (before == null ? 0 : before + 1)) {
            outOfOrder.incrementAndGet();
        }
    }

    /** All that had to be done with a record is done. */
    public void finish(MessageEvent event) {
        Long before = finishedUpTo.put(event.key(), event.sequence());
        if (event.sequence() != (before == null ? 0 : before + 1)) {
            outOfOrder.incrementAndGet();
        }
        if (finished.incrementAndGet() == records) {
            double seconds = (System.nanoTime() - beginNanos) / 1e9;
            double cpuSeconds = (PROCESS.getProcessCpuTime() - beginCpuNanos) / 1e9;
            report = String.format(
                    Locale.ROOT,
                    "{\"records\":%d,\"keys\":%d,\"out_of_order\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f}",
                    records, finishedUpTo.size(), outOfOrder.get(), seconds, cpuSeconds);
            ended.countDown();
        }
    }

    /** Waits until every record is finished. */
    public void awaitEnd() throws InterruptedException {
        ended.await();
    }

    /** The line to print last. */
    public String report() {
        return report;
    }
}
