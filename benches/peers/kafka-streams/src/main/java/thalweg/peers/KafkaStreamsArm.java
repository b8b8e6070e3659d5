package thalweg.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Properties;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Kafka Streams: a task for each partition, which has one record at a time. A processor can't give a record back and
 * finish it later, so a record that waits holds its thread. What was tried besides is in the README.
 */
public final class KafkaStreamsArm {
    private static final long WAIT_MS = 1;
    /** One for each core. */
    private static final int COUNTING_THREADS = Integer.getInteger("threads", Runtime.getRuntime().availableProcessors());
    /** One for each partition of the topics: more would have nothing to do. */
    private static final int WAITING_THREADS = Integer.getInteger("threads", 8);

    private KafkaStreamsArm() {}

    public static void main(String[] given) throws InterruptedException, IOException {
        Arguments arguments = Arguments.parse(given);
        Measured measured = new Measured(arguments.records());
        KafkaStreams streams = new KafkaStreams(topology(arguments, measured), settings(arguments));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        measured.awaitEnd();
        streams.close();
        streams.cleanUp();
        System.out.println(measured.report());
        System.exit(0);
    }

    private static Topology topology(Arguments arguments, Measured measured) {
        Deserializer<MessageEvent> parse = (topic, json) -> {
            measured.begin();
            try {
                return MessageEvent.parse(json);
            } catch (IOException error) {
                throw new SerializationException(error);
            }
        };
        Serde<MessageEvent> events = Serdes.serdeFrom((topic, event) -> {
            throw new UnsupportedOperationException("nothing is written");
        }, parse);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(arguments.topic(), Consumed.with(Serdes.String(), events))
                .process(() -> processor(arguments, measured));
        return builder.build();
    }

    private static Processor<String, MessageEvent, Void, Void> processor(Arguments arguments, Measured measured) {
        return switch (arguments.workload()) {
            case COUNTING -> record -> measured.finish(record.value());
            case WAITING -> record -> finishAfterWaiting(record, measured);
        };
    }

    private static void finishAfterWaiting(Record<String, MessageEvent> record, Measured measured) {
        measured.waits(record.value());
        try {
            Thread.sleep(WAIT_MS);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("stopped while a record was waiting", stopped);
        }
        measured.finish(record.value());
    }

    private static Properties settings(Arguments arguments) throws IOException {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments.group());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.brokers());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("thalweg-kafka-streams").toString());
        // Five times the default: the threads fetch and process in turn, and more at once is less waiting.
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 5000);
        Arguments.consumerSettings().forEach((name, value) -> settings.put(StreamsConfig.consumerPrefix(name), value));
        int threads = switch (arguments.workload()) {
            case COUNTING -> COUNTING_THREADS;
            case WAITING -> WAITING_THREADS;
        };
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        return settings;
    }
}
