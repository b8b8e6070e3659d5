//! The settings in librdkafka's words, with the defaults that differ from its own. Source of the names and defaults:
//! librdkafka 2.12.1, CONFIGURATION.md.

use super::settings::{Assignment, GroupProtocol, GroupSettings, KafkaSettings};

/// Names and values for librdkafka. Contains passwords: not to be printed.
pub type Properties = Vec<(String, String)>;

/// Who a passed-through property is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Consumers and producers.
    Both,
    /// Consumers.
    Consumer,
    /// Producers.
    Producer,
}

/// librdkafka's properties that the settings may name: those that change cost or reach, none that change what is
/// promised (commits, offsets, idempotence, isolation), and no secrets.
pub const PASS_THROUGH: [(&str, Side); 24] = [
    ("broker.address.family", Side::Both),
    ("broker.address.ttl", Side::Both),
    ("client.dns.lookup", Side::Both),
    ("client.rack", Side::Both),
    ("connections.max.idle.ms", Side::Both),
    ("debug", Side::Both),
    ("metadata.max.age.ms", Side::Both),
    ("receive.message.max.bytes", Side::Both),
    ("reconnect.backoff.max.ms", Side::Both),
    ("reconnect.backoff.ms", Side::Both),
    ("socket.connection.setup.timeout.ms", Side::Both),
    ("socket.keepalive.enable", Side::Both),
    ("socket.receive.buffer.bytes", Side::Both),
    ("socket.send.buffer.bytes", Side::Both),
    ("socket.timeout.ms", Side::Both),
    ("topic.metadata.refresh.interval.ms", Side::Both),
    ("fetch.max.bytes", Side::Consumer),
    ("fetch.message.max.bytes", Side::Consumer),
    ("fetch.min.bytes", Side::Consumer),
    ("fetch.wait.max.ms", Side::Consumer),
    ("batch.size", Side::Producer),
    ("compression.type", Side::Producer),
    ("linger.ms", Side::Producer),
    ("queue.buffering.max.kbytes", Side::Producer),
];

/// A dead letter is larger than its original by its headers; this is far more than they take.
const RECORD_OVERHEAD_BYTES: u32 = 64 * 1_024;

/// For a client that neither reads nor writes records: topic descriptions, topic creation.
#[must_use]
pub fn of_admin(settings: &KafkaSettings) -> Properties {
    let mut properties = of_connection(settings);
    pass_through(settings, Side::Both, &mut properties);
    properties
}

/// For a consumer that is a member of the group.
#[must_use]
pub fn of_consumer(settings: &KafkaSettings) -> Properties {
    let mut properties = of_connection(settings);
    let read = &settings.read;
    let ours = [
        ("group.id", settings.group.id.clone()),
        ("max.poll.interval.ms", settings.group.max_poll_interval_ms.to_string()),
        // Commits are ours: only what is finished, with metadata.
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        // Start positions are ours: an offset that the log does not hold is told, never replaced.
        ("auto.offset.reset", "error".to_owned()),
        // Never for a member of a group that reads in batches: librdkafka 2.12 counts the notice of an end as a record
        // (rd_kafka_q_serve_rkmessages), and skips the next one when a rebalance pauses and resumes the partition.
        ("enable.partition.eof", "false".to_owned()),
        // The client's own default. Offsets are then fetched stable, too: librdkafka asks for no offset that an open
        // transaction may still change (`require_stable_offsets`, rdkafka.c, rd_kafka_committed).
        ("isolation.level", "read_committed".to_owned()),
        ("check.crcs", read.check_crcs.to_string()),
        // After the prefetch was full, look again soon: the default of one second starves fast readers.
        ("fetch.queue.backoff.ms", "5".to_owned()),
        ("fetch.error.backoff.ms", "100".to_owned()),
        // A partition whose prefetch is full is left out of the one request that may be under way, and waits for its answer:
        // for this long, where the others have nothing new. The client's default of 500 stalls it by half a second, again and
        // again while it catches up. An idle member asks each broker twenty times a second instead of twice.
        ("fetch.wait.max.ms", "50".to_owned()),
        ("queued.min.messages", read.prefetch_records_per_partition.to_string()),
        ("queued.max.messages.kbytes", read.prefetch_kilobytes_per_partition.to_string()),
        ("fetch.message.max.bytes", fetch_bytes(read.prefetch_kilobytes_per_partition).to_string()),
    ];
    extend(&mut properties, ours);
    of_membership(settings, &mut properties);
    pass_through(settings, Side::Consumer, &mut properties);
    properties
}

/// For a producer of records up to `record_bytes_max` (the largest that the source can hold), dead letters included.
#[must_use]
pub fn of_producer(settings: &KafkaSettings, record_bytes_max: u32) -> Properties {
    let mut properties = of_connection(settings);
    let ours = [
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        // No timeout: giving a record up and sending it again would reorder.
        ("message.timeout.ms", "0".to_owned()),
        (
            "message.max.bytes",
            record_bytes_max.saturating_add(RECORD_OVERHEAD_BYTES).min(1_000_000_000).to_string(),
        ),
        // Long enough that a flight handed over record by record leaves as one batch.
        ("linger.ms", "1".to_owned()),
        // How long a topic that is not known may be about to appear; then its records are refused.
        ("topic.metadata.propagation.max.ms", "5000".to_owned()),
        ("compression.type", "lz4".to_owned()),
        // A key goes where the Java client puts it, whoever of us writes: a key's records must meet in one partition.
        ("partitioner", "murmur2_random".to_owned()),
    ];
    extend(&mut properties, ours);
    pass_through(settings, Side::Producer, &mut properties);
    properties
}

/// What one answer brings of a partition at most, compressed; a record that is larger comes alone. It is asked for
/// while less than the prefetch is there, so it may come on top, unpacked: a quarter of the prefetch, at most
/// librdkafka's own default.
fn fetch_bytes(prefetch_kilobytes: u32) -> u32 {
    const DEFAULT_BYTES: u32 = 1 << 20;
    (prefetch_kilobytes.saturating_mul(1_024) / 4).clamp(16 << 10, DEFAULT_BYTES)
}

fn of_connection(settings: &KafkaSettings) -> Properties {
    let security = match (&settings.tls, &settings.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    let mut properties = Properties::new();
    let ours = [
        ("bootstrap.servers", settings.brokers.clone()),
        ("client.id", settings.client_id.clone()),
        ("security.protocol", security.to_owned()),
        // A broker that comes back should be found within a second; the default is ten.
        ("reconnect.backoff.ms", "50".to_owned()),
        ("reconnect.backoff.max.ms", "1000".to_owned()),
        ("socket.keepalive.enable", "true".to_owned()),
        ("socket.nagle.disable", "true".to_owned()),
        // Brokers close idle connections; that is no event.
        ("log.connection.close", "false".to_owned()),
    ];
    extend(&mut properties, ours);
    if let Some(tls) = &settings.tls {
        let files = [
            ("ssl.ca.location", tls.ca_file.as_deref()),
            ("ssl.certificate.location", tls.certificate_file.as_deref()),
            ("ssl.key.location", tls.key_file.as_deref()),
            ("ssl.key.password", tls.key_password.as_ref().map(super::secret::Secret::reveal)),
            ("ssl.endpoint.identification.algorithm", tls.accept_any_hostname.then_some("none")),
        ];
        extend(
            &mut properties,
            files.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))),
        );
    }
    if let Some(sasl) = &settings.sasl {
        let ours = [
            ("sasl.mechanism", sasl.mechanism.name().to_owned()),
            ("sasl.username", sasl.user.clone()),
            ("sasl.password", sasl.password.reveal().to_owned()),
        ];
        extend(&mut properties, ours);
    }
    properties
}

fn of_membership(settings: &KafkaSettings, properties: &mut Properties) {
    let group = &settings.group;
    if let Some(instance) = &group.instance_id {
        properties.push(("group.instance.id".to_owned(), instance.clone()));
    }
    match group.protocol {
        // The client refuses session timeout, heartbeat interval and strategy with this protocol.
        GroupProtocol::Consumer => extend(properties, [("group.protocol", "consumer".to_owned())]),
        GroupProtocol::Classic => {
            let strategy = match group.assignment {
                Assignment::CooperativeSticky => "cooperative-sticky",
                Assignment::Range => "range",
            };
            let always = [("group.protocol", "classic"), ("partition.assignment.strategy", strategy)];
            extend(properties, always.map(|(name, value)| (name, value.to_owned())));
            let session = group.session_timeout_ms.map(|time| ("session.timeout.ms", time.to_string()));
            let heartbeat = group.heartbeat_interval_ms.unwrap_or_else(|| usual_heartbeat_ms(group));
            extend(properties, session.into_iter().chain([("heartbeat.interval.ms", heartbeat.to_string())]));
        }
    }
}

/// Members hear of a rebalance with their next heartbeat, and one in which partitions move takes two: with the client's own
/// 3 s a second instance had its first effect after 7 s. A third of the session at most, as Kafka recommends.
fn usual_heartbeat_ms(group: &GroupSettings) -> u32 {
    group.session_timeout_ms.map_or(1_000, |session| (session / 3).clamp(1, 1_000))
}

fn pass_through(settings: &KafkaSettings, side: Side, properties: &mut Properties) {
    for (name, for_side) in PASS_THROUGH {
        if let Some(value) = settings.librdkafka.get(name)
            && (for_side == Side::Both || for_side == side)
        {
            properties.push((name.to_owned(), value.clone()));
        }
    }
}

fn extend<'n>(properties: &mut Properties, more: impl IntoIterator<Item = (&'n str, String)>) {
    properties.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
}

#[cfg(test)]
mod tests {
    use super::super::settings::GroupSettings;
    use super::*;

    fn value<'p>(properties: &'p Properties, name: &str) -> Option<&'p str> {
        // The last one wins, as in librdkafka.
        properties.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn heartbeats_are_frequent_and_fit_into_the_session() {
        let heartbeat = |session_timeout_ms, heartbeat_interval_ms| {
            let mut settings = KafkaSettings::default();
            settings.group = GroupSettings { session_timeout_ms, heartbeat_interval_ms, ..settings.group };
            value(&of_consumer(&settings), "heartbeat.interval.ms").map(str::to_owned)
        };
        assert_eq!(heartbeat(None, None).as_deref(), Some("1000"));
        assert_eq!(heartbeat(Some(1_200), None).as_deref(), Some("400"));
        assert_eq!(heartbeat(Some(45_000), Some(3_000)).as_deref(), Some("3000"));
    }

    #[test]
    fn the_new_protocol_is_not_told_what_the_broker_decides() {
        let mut settings = KafkaSettings::default();
        settings.group = GroupSettings { protocol: GroupProtocol::Consumer, ..settings.group };
        let properties = of_consumer(&settings);
        assert_eq!(value(&properties, "group.protocol"), Some("consumer"));
        for name in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
            assert_eq!(value(&properties, name), None);
        }
    }

    #[test]
    fn a_property_goes_to_its_side_and_wins_over_the_default() {
        let mut settings = KafkaSettings::default();
        settings.librdkafka.insert("linger.ms".into(), "20".into());
        settings.librdkafka.insert("reconnect.backoff.ms".into(), "7".into());
        assert_eq!(value(&of_producer(&settings, 0), "linger.ms"), Some("20"));
        assert_eq!(value(&of_consumer(&settings), "linger.ms"), None);
        assert_eq!(value(&of_consumer(&settings), "reconnect.backoff.ms"), Some("7"));
    }

    #[test]
    fn dead_letters_may_be_larger_than_what_they_tell_of() {
        let properties = of_producer(&KafkaSettings::default(), 1_048_588);
        assert_eq!(value(&properties, "message.max.bytes"), Some("1114124"));
    }

    #[test]
    fn all_producers_put_a_key_where_the_java_client_does() {
        let properties = of_producer(&KafkaSettings::default(), 1_048_588);
        assert_eq!(value(&properties, "partitioner"), Some("murmur2_random"));
    }
}
