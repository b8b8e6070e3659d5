package thalweg.peers;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;

/** A record's value. {@code sequence} counts from 0 for each key, in the order of the log. */
@JsonIgnoreProperties(ignoreUnknown = true)
public record MessageEvent(String type, long sequence, String key, String tenantId, String content) {
    private static final ObjectReader READER = new ObjectMapper().readerFor(MessageEvent.class);

    public static MessageEvent parse(byte[] json) throws IOException {
        return READER.readValue(json);
    }
}
