package thalweg.peers;

import io.confluent.parallelconsumer.PollContext;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.reactor.ReactorProcessor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/**
 * Confluent Parallel Consumer, in key order: its core, which runs the function on a pool of threads, for records that
 * are only counted; its Reactor module for records that wait. What was tried besides is in the README.
 */
public final class ParallelConsumerArm {
    private static final Duration WAIT = Duration.ofMillis(1);
    /** Records given to one call of the function. */
    private static final int BATCH_RECORDS = Integer.getInteger("batchRecords", 500);
    /** Threads: the library's default. */
    private static final int COUNTING_CONCURRENCY = Integer.getInteger("concurrency", 16);
    /** Records that wait at the same time. */
    private static final int WAITING_CONCURRENCY = Integer.getInteger("concurrency", 1000);
    /** Records read ahead; 0 leaves it to the library. */
    private static final int BUFFER_RECORDS = Integer.getInteger("bufferRecords", 0);

    private ParallelConsumerArm() {}

    public static void main(String[] given) throws InterruptedException {
        Arguments arguments = Arguments.parse(given);
        Measured measured = new Measured(arguments.records());
        switch (arguments.workload()) {
            case COUNTING -> count(arguments, measured);
            case WAITING -> wait(arguments, measured);
        }
        System.out.println(measured.report());
        System.exit(0);
    }

    private static void count(Arguments arguments, Measured measured) throws InterruptedException {
        var options = options(arguments).maxConcurrency(COUNTING_CONCURRENCY).batchSize(BATCH_RECORDS).build();
        var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
        processor.subscribe(List.of(arguments.topic()));
        processor.poll(batch -> {
            for (ConsumerRecord<String, byte[]> record : batch.getConsumerRecordsFlattened()) {
                measured.begin();
                measured.finish(parse(record));
            }
        });
        measured.awaitEnd();
        processor.closeDrainFirst();
    }

    private static void wait(Arguments arguments, Measured measured) throws InterruptedException {
        var options = options(arguments).maxConcurrency(WAITING_CONCURRENCY).build();
        // Reactor's scheduler for what does not block; the module's own choice is the one for what does.
        var processor = new ReactorProcessor<String, byte[]>(options, Schedulers::parallel);
        processor.subscribe(List.of(arguments.topic()));
        processor.react(one -> waiting(one, measured));
        measured.awaitEnd();
        processor.closeDrainFirst();
    }

    private static Mono<Long> waiting(PollContext<String, byte[]> one, Measured measured) {
        measured.begin();
        MessageEvent event = parse(one.getSingleConsumerRecord());
        measured.waits(event);
        return Mono.delay(WAIT).doOnNext(over -> measured.finish(event));
    }

    private static ParallelConsumerOptions.ParallelConsumerOptionsBuilder<String, byte[]> options(Arguments arguments) {
        return ParallelConsumerOptions.<String, byte[]>builder()
                .consumer(consumer(arguments))
                .ordering(ProcessingOrder.KEY)
                .messageBufferSize(BUFFER_RECORDS)
                // The default, which its README suggests to start with.
                .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS);
    }

    private static Consumer<String, byte[]> consumer(Arguments arguments) {
        Map<String, Object> settings = new HashMap<>(Arguments.consumerSettings());
        settings.put("bootstrap.servers", arguments.brokers());
        settings.put("group.id", arguments.group());
        settings.put("auto.offset.reset", "earliest");
        // The library commits: only offsets below which every record is finished.
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
    }

    private static MessageEvent parse(ConsumerRecord<String, byte[]> record) {
        try {
            return MessageEvent.parse(record.value());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
