package thalweg.peers;

import java.util.Map;
import java.util.HashMap;

/** What an arm is told: the same for every arm of the end-to-end benchmarks. */
public record Arguments(Workload workload, String brokers, String topic, String group, long records) {
    /** What happens to a record once it is parsed. */
    public enum Workload {
        /** It is counted. */
        COUNTING,
        /** It waits for a timer of one millisecond, and is counted then. */
        WAITING,
    }

    /** Ends the process with status 2 and a sentence when an argument is missing or wrong. */
    public static Arguments parse(String[] arguments) {
        try {
            return of(arguments);
        } catch (IllegalArgumentException error) {
            System.err.println("error: " + error.getMessage());
            System.exit(2);
            throw error;
        }
    }

    /** Settings of the Kafka consumer for what was tried besides: {@code -Dconsumer.max.poll.records=5000}. */
    public static Map<String, String> consumerSettings() {
        Map<String, String> settings = new HashMap<>();
        for (String name : System.getProperties().stringPropertyNames()) {
            if (name.startsWith("consumer.")) {
                settings.put(name.substring("consumer.".length()), System.getProperty(name));
            }
        }
        return settings;
    }

    private static Arguments of(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (int at = 0; at < arguments.length; at += 2) {
            if (!arguments[at].startsWith("--") || at + 1 == arguments.length) {
                throw new IllegalArgumentException(arguments[at] + " is not an option with a value");
            }
            given.put(arguments[at].substring(2), arguments[at + 1]);
        }
        Workload workload = switch (needed(given, "workload")) {
            case "counting" -> Workload.COUNTING;
            case "waiting" -> Workload.WAITING;
            default -> throw new IllegalArgumentException("--workload is counting or waiting");
        };
        long records = Long.parseLong(needed(given, "records"));
        if (records <= 0) {
            throw new IllegalArgumentException("--records must be at least 1");
        }
        String brokers = needed(given, "brokers");
        return new Arguments(workload, brokers, needed(given, "topic"), needed(given, "group"), records);
    }

    private static String needed(Map<String, String> given, String name) {
        String value = given.get(name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }
}
