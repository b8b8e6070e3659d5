//! What can be set about Kafka, and the checks that run before anything connects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::properties;
use super::secret::Secret;

/// The `[kafka]` part of a pipeline's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// Addresses to begin with: `HOST:PORT`, separated by commas.
    pub brokers: String,
    /// What the brokers' logs call this client.
    pub client_id: String,
    /// The consumer group.
    pub group: GroupSettings,
    /// Reading ahead.
    pub read: ReadSettings,
    /// Encryption; absent: plain text. Needs a build with the feature `tls`.
    pub tls: Option<TlsSettings>,
    /// Who we are to the brokers; absent: nobody in particular.
    pub sasl: Option<SaslSettings>,
    /// Properties handed to librdkafka as they are; only those of [`properties::PASS_THROUGH`].
    pub librdkafka: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            client_id: "thalweg".to_owned(),
            group: GroupSettings::default(),
            read: ReadSettings::default(),
            tls: None,
            sasl: None,
            librdkafka: BTreeMap::new(),
        }
    }
}

/// How a worker is a member of its consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSettings {
    /// The group's id.
    pub id: String,
    /// Static membership: a name that this worker, and no other of the group, has across restarts. After a crash the
    /// restarted worker takes its partitions up at once.
    pub instance_id: Option<String>,
    /// Who assigns the partitions.
    pub protocol: GroupProtocol,
    /// How they are assigned; only with `protocol = "classic"` (the broker decides otherwise).
    pub assignment: Assignment,
    /// How long a silent member is waited for; only with `protocol = "classic"` (the broker decides otherwise).
    pub session_timeout_ms: Option<u32>,
    /// How often a member says that it lives, and hears of rebalances; only with `protocol = "classic"`. Unset: 1 s, or a
    /// third of the session timeout where that is less.
    pub heartbeat_interval_ms: Option<u32>,
    /// How long the worker may go without polling before it counts as stuck, and how long a rebalance waits for it.
    pub max_poll_interval_ms: u32,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            id: String::new(),
            instance_id: None,
            protocol: GroupProtocol::Classic,
            assignment: Assignment::CooperativeSticky,
            session_timeout_ms: None,
            heartbeat_interval_ms: None,
            max_poll_interval_ms: 300_000,
        }
    }
}

/// The group protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupProtocol {
    /// Members elect a leader that assigns.
    Classic,
    /// The broker assigns (KIP-848); Kafka 4.0 or newer.
    Consumer,
}

/// How the classic protocol assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignment {
    /// Only partitions that move stop.
    CooperativeSticky,
    /// Eager: every rebalance stops every partition.
    Range,
}

/// How far a worker reads ahead of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadSettings {
    /// Kilobytes fetched ahead, for EACH partition; one fetch more may come on top.
    pub prefetch_kilobytes_per_partition: u32,
    /// Fetching goes on below this many records ahead, for EACH partition.
    pub prefetch_records_per_partition: u32,
    /// Whether checksums of record batches are verified.
    pub check_crcs: bool,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            // With 16 partitions 64 MB; librdkafka's own default would be 1 GB.
            prefetch_kilobytes_per_partition: 4_096,
            prefetch_records_per_partition: 20_000,
            // As the Java client has it; hardware does the sum at some GB/s.
            check_crcs: true,
        }
    }
}

/// Encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// PEM file of the authorities to trust; absent: the system's.
    pub ca_file: Option<String>,
    /// PEM file of our certificate, when brokers ask for one.
    pub certificate_file: Option<String>,
    /// PEM file of its key.
    pub key_file: Option<String>,
    /// The key file's password.
    pub key_password: Option<Secret>,
    /// Accepts a broker whose certificate names another host. For tests.
    pub accept_any_hostname: bool,
}

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaslSettings {
    /// How it is proved.
    pub mechanism: SaslMechanism,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Secret,
}

/// How a password is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaslMechanism {
    /// The password is sent; works in every build.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Salted challenge with SHA-256; needs a build with the feature `tls`.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge with SHA-512; needs a build with the feature `tls`.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// The name the protocol has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A setting that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value:?}: {allowed}")]
pub struct SettingError {
    /// Which setting, below the part that it stands in (`group.id`).
    pub key: String,
    /// What it says; secrets never stand here.
    pub value: String,
    /// What would be allowed.
    pub allowed: String,
}

impl SettingError {
    fn new(key: impl Into<String>, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), allowed: allowed.into() }
    }
}

impl KafkaSettings {
    /// Checks everything that can be checked without connecting.
    ///
    /// # Errors
    /// The first setting that can't be.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_group()?;
        self.check_connection()
    }

    /// As [`KafkaSettings::check`], for whoever joins no group: what is said of the group is not looked at.
    ///
    /// # Errors
    /// The first setting that can't be.
    pub fn check_connection(&self) -> Result<(), SettingError> {
        self.check_brokers()?;
        self.check_read()?;
        self.check_security(cfg!(feature = "tls"))?;
        self.librdkafka.iter().try_for_each(|(name, value)| check_pass_through(name, value))
    }

    fn check_brokers(&self) -> Result<(), SettingError> {
        let valid = |address: &str| {
            address.trim().rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if self.brokers.split(',').all(valid) && !self.brokers.contains('\0') {
            return Ok(());
        }
        Err(SettingError::new("brokers", &self.brokers, "must be HOST:PORT, several separated by commas"))
    }

    fn check_group(&self) -> Result<(), SettingError> {
        let group = &self.group;
        let text = |key: &str, value: &str| {
            if value.is_empty() || value.contains('\0') || value.len() > 255 {
                return Err(SettingError::new(key, value, "must be a name of 1 to 255 bytes"));
            }
            Ok(())
        };
        text("group.id", &group.id)?;
        group.instance_id.as_deref().map_or(Ok(()), |id| text("group.instance_id", id))?;
        let times = [
            ("group.session_timeout_ms", group.session_timeout_ms),
            ("group.heartbeat_interval_ms", group.heartbeat_interval_ms),
        ];
        for (key, value) in times.iter().filter_map(|(key, value)| value.map(|value| (key, value))) {
            if group.protocol == GroupProtocol::Consumer {
                let why = "must be absent with group.protocol = \"consumer\": the broker decides";
                return Err(SettingError::new(*key, value.to_string(), why));
            }
            within(key, value, 1, 3_600_000)?;
        }
        within("group.max_poll_interval_ms", group.max_poll_interval_ms, 1_000, 86_400_000)?;
        if group.session_timeout_ms.is_some_and(|session| session > group.max_poll_interval_ms) {
            let allowed = "must not be below group.session_timeout_ms";
            let value = group.max_poll_interval_ms.to_string();
            return Err(SettingError::new("group.max_poll_interval_ms", value, allowed));
        }
        Ok(())
    }

    fn check_read(&self) -> Result<(), SettingError> {
        let read = &self.read;
        // The upper ends are librdkafka's.
        within("read.prefetch_kilobytes_per_partition", read.prefetch_kilobytes_per_partition, 1, 2_097_151)?;
        within("read.prefetch_records_per_partition", read.prefetch_records_per_partition, 1, 10_000_000)
    }

    fn check_security(&self, built_with_tls: bool) -> Result<(), SettingError> {
        let needs = "needs a build with the cargo feature `tls`";
        if self.tls.is_some() && !built_with_tls {
            return Err(SettingError::new("tls", "set", needs));
        }
        if let Some(sasl) = &self.sasl
            && sasl.mechanism != SaslMechanism::Plain
            && !built_with_tls
        {
            return Err(SettingError::new("sasl.mechanism", sasl.mechanism.name(), needs));
        }
        match &self.tls {
            Some(tls) if tls.certificate_file.is_some() != tls.key_file.is_some() => {
                let value =
                    tls.certificate_file.as_ref().or(tls.key_file.as_ref()).map_or("", String::as_str);
                Err(SettingError::new(
                    "tls.certificate_file",
                    value,
                    "must be set together with tls.key_file",
                ))
            }
            _ => Ok(()),
        }
    }
}

fn within(key: &str, value: u32, min: u32, max: u32) -> Result<(), SettingError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SettingError::new(key, value.to_string(), format!("must be between {min} and {max}")))
}

fn check_pass_through(name: &str, value: &str) -> Result<(), SettingError> {
    if properties::PASS_THROUGH.iter().any(|(allowed, _)| *allowed == name) {
        return Ok(());
    }
    let names: Vec<_> = properties::PASS_THROUGH.iter().map(|(name, _)| *name).collect();
    // The value is not shown: the property may be a password.
    let shown = if value.is_empty() { "" } else { "…" };
    let allowed = format!("not passed on to librdkafka; allowed are {}", names.join(", "));
    Err(SettingError::new(format!("librdkafka.{name:?}"), shown, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> KafkaSettings {
        let group = GroupSettings { id: "g".into(), ..GroupSettings::default() };
        KafkaSettings { group, ..KafkaSettings::default() }
    }

    fn refused(change: impl FnOnce(&mut KafkaSettings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_with_a_group_are_fine() {
        settings().check().unwrap();
    }

    #[test]
    fn who_joins_no_group_needs_none() {
        let without = KafkaSettings::default();
        assert!(without.check().is_err());
        without.check_connection().unwrap();
        let nowhere = KafkaSettings { brokers: "nowhere".into(), ..without };
        assert!(nowhere.check_connection().is_err());
    }

    #[test]
    fn what_can_not_be_is_named() {
        assert!(
            refused(|s| s.brokers = "nowhere".into()).starts_with("brokers = \"nowhere\": must be HOST:PORT")
        );
        assert!(refused(|s| s.brokers = "a:1,,b:2".into()).starts_with("brokers"));
        assert!(refused(|s| s.group.id.clear()).starts_with("group.id = \"\""));
        assert!(refused(|s| s.group.instance_id = Some(String::new())).starts_with("group.instance_id"));
        assert!(refused(|s| s.group.max_poll_interval_ms = 3).contains("between 1000 and"));
        assert!(refused(|s| s.read.prefetch_records_per_partition = 0).starts_with("read.prefetch_records"));
        let with_consumer = refused(|s| {
            s.group.protocol = GroupProtocol::Consumer;
            s.group.session_timeout_ms = Some(6_000);
        });
        assert!(with_consumer.contains("absent"), "{with_consumer}");
    }

    #[test]
    fn only_listed_properties_pass_and_their_values_are_not_shown() {
        let said = refused(|s| {
            s.librdkafka.insert("sasl.password".into(), "hunter2".into());
        });
        assert!(said.contains("sasl.password") && !said.contains("hunter2"), "{said}");
        let mut settings = settings();
        settings.librdkafka.insert("client.rack".into(), "a".into());
        settings.check().unwrap();
    }

    #[test]
    fn a_build_without_tls_says_so() {
        let mut settings = settings();
        settings.tls = Some(TlsSettings::default());
        assert!(settings.check_security(false).unwrap_err().to_string().contains("feature `tls`"));
        settings.check_security(true).unwrap();
        settings.tls = None;
        let password = Secret::new("hunter2");
        settings.sasl = Some(SaslSettings { mechanism: SaslMechanism::Plain, user: "u".into(), password });
        settings.check_security(false).unwrap();
        settings.sasl.as_mut().unwrap().mechanism = SaslMechanism::ScramSha512;
        assert!(settings.check_security(false).is_err());
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut settings = settings();
        let password = Secret::new("hunter2");
        settings.sasl = Some(SaslSettings { mechanism: SaslMechanism::Plain, user: "u".into(), password });
        settings.tls =
            Some(TlsSettings { key_password: Some(Secret::new("hunter2")), ..TlsSettings::default() });
        let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
        assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn unknown_keys_and_words_are_refused_with_what_is_allowed() {
        let error = |json: &str| serde_json::from_str::<KafkaSettings>(json).unwrap_err().to_string();
        assert!(error(r#"{"broker":"x:1"}"#).contains("expected one of `brokers`"));
        assert!(error(r#"{"group":{"protocol":"modern"}}"#).contains("expected `classic` or `consumer`"));
    }
}
