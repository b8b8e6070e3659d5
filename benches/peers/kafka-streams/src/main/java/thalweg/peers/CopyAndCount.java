package thalweg.peers;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Copies a record unless its {@code message-id} was seen at most {@code window} offsets below in the partition, and counts it
 * for its key. Ids that are further back are deleted every few seconds.
 */
final class CopyAndCount implements Processor<String, byte[], String, byte[]> {
    static final String SEEN = "seen";
    static final String COUNTS = "counts";
    static final String COPIES_SINK = "copies-sink";
    static final String COUNTS_SINK = "counts-sink";
    private static final Duration FORGET_EVERY = Duration.ofSeconds(5);

    private final long window;
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, Long> seen;
    private KeyValueStore<String, Long> counts;
    private long newestOffset;

    CopyAndCount(long window) {
        this.window = window;
    }

    @Override
    public void init(ProcessorContext<String, byte[]> given) {
        context = given;
        seen = given.getStateStore(SEEN);
        counts = given.getStateStore(COUNTS);
        given.schedule(FORGET_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> forget());
    }

    @Override
    public void process(Record<String, byte[]> record) {
        newestOffset = context.recordMetadata().orElseThrow().offset();
        Header header = record.headers().lastHeader("message-id");
        if (header != null) {
            String id = new String(header.value(), StandardCharsets.UTF_8);
            Long before = seen.get(id);
            if (before != null && before >= newestOffset - window) {
                return;
            }
            seen.put(id, newestOffset);
        }
        Long before = counts.get(record.key());
        long count = before == null ? 1 : before + 1;
        counts.put(record.key(), count);
        context.forward(record, COPIES_SINK);
        byte[] text = Long.toString(count).getBytes(StandardCharsets.UTF_8);
        context.forward(record.withValue(text).withHeaders(new RecordHeaders()), COUNTS_SINK);
    }

    private void forget() {
        List<String> old = new ArrayList<>();
        try (KeyValueIterator<String, Long> all = seen.all()) {
            while (all.hasNext()) {
                KeyValue<String, Long> one = all.next();
                if (one.value < newestOffset - window) {
                    old.add(one.key);
                }
            }
        }
        old.forEach(seen::delete);
    }
}
