package thalweg.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams with {@code exactly_once_v2}: copies a topic without its duplicates, and counts by key. Both stores are in
 * memory with a changelog, the dedupe store without one when it may be forgetful. Runs until it is told to end.
 */
public final class ExactlyOnceArm {
    /** One for each core. */
    private static final int THREADS = Integer.getInteger("threads", Runtime.getRuntime().availableProcessors());

    private ExactlyOnceArm() {}

    public static void main(String[] given) throws IOException {
        Map<String, String> told = told(given);
        KafkaStreams streams = new KafkaStreams(topology(told), settings(told));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            streams.cleanUp();
            // Whoever asked for the end takes any other exit code for a failure.
            Runtime.getRuntime().halt(0);
        }));
        streams.start();
    }

    private static Topology topology(Map<String, String> told) {
        long window = Long.parseLong(needed(told, "window"));
        StoreBuilder<KeyValueStore<String, Long>> seen =
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(CopyAndCount.SEEN), Serdes.String(), Serdes.Long());
        if (Boolean.parseBoolean(needed(told, "forgetful"))) {
            seen = seen.withLoggingDisabled();
        }
        StoreBuilder<KeyValueStore<String, Long>> counts =
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(CopyAndCount.COUNTS), Serdes.String(), Serdes.Long());
        var text = Serdes.String();
        var bytes = Serdes.ByteArray();
        return new Topology()
                .addSource("source", text.deserializer(), bytes.deserializer(), needed(told, "source"))
                .addProcessor("copy-and-count", () -> new CopyAndCount(window), "source")
                .addStateStore(seen, "copy-and-count")
                .addStateStore(counts, "copy-and-count")
                .addSink(CopyAndCount.COPIES_SINK, needed(told, "copies"), text.serializer(), bytes.serializer(), "copy-and-count")
                .addSink(CopyAndCount.COUNTS_SINK, needed(told, "counts"), text.serializer(), bytes.serializer(), "copy-and-count");
    }

    private static Properties settings(Map<String, String> told) throws IOException {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, needed(told, "group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, needed(told, "brokers"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, needed(told, "commit-interval-ms"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("thalweg-kafka-streams").toString());
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        // As in the other arm of Kafka Streams.
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 5000);
        settings.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
        Arguments.consumerSettings().forEach((name, value) -> settings.put(StreamsConfig.consumerPrefix(name), value));
        return settings;
    }

    private static Map<String, String> told(String[] given) {
        Map<String, String> told = new HashMap<>();
        for (int at = 0; at + 1 < given.length; at += 2) {
            told.put(given[at].substring(2), given[at + 1]);
        }
        return told;
    }

    private static String needed(Map<String, String> told, String name) {
        String value = told.get(name);
        if (value == null) {
            System.err.println("error: --" + name + " is missing");
            System.exit(2);
        }
        return value;
    }
}
