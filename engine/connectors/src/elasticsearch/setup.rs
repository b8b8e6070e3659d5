//! What the index must look like, and whether it still belongs to the log it was written from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::operation::Target;
use super::version::Generation;

/// Marks a removed document; readers' alias hides those.
const DELETED: &str = "deleted";
/// When it was removed.
const DELETED_AT: &str = "deletedAt";

/// The log that an index is written from. Versions are offsets, so they mean something only beside the topic they are
/// offsets of, and only while keys stay in their partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The topic's name.
    pub topic: String,
    /// The topic's id: a topic that was deleted and created again has another one.
    pub topic_id: String,
    /// How many partitions it has; with another number, keys move to other partitions.
    pub partitions: u32,
}

/// What is recorded with the index, under `_meta.thalweg` of its mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The log it is written from.
    #[serde(flatten)]
    pub log: Log,
    /// How often the log has been replaced.
    pub generation: Generation,
}

/// The index behind the alias, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub index: String,
    /// What is recorded with it.
    pub recorded: Recorded,
}

/// Why documents can't be written there. Somebody has to do something.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SetupError {
    /// The alias can't name anything.
    #[error("{0}")]
    BadAlias(String),
    /// The flow's mapping is not one.
    #[error("the mapping's properties are not a JSON object: {0}")]
    BadProperties(String),
    /// The flow's mapping claims a field of ours.
    #[error("the mapping must not define `{0}`: the connector keeps its tombstones there")]
    ReservedField(&'static str),
    /// Shards or replicas are out of range.
    #[error("{name} = {value}: allowed is {allowed}")]
    BadNumber {
        /// Which.
        name: &'static str,
        /// What was given.
        value: u32,
        /// What may be given.
        allowed: &'static str,
    },
    /// Elasticsearch's answer makes no sense.
    #[error("can't read what Elasticsearch says about the index behind `{alias}`: {detail}")]
    Unreadable {
        /// The alias asked about.
        alias: String,
        /// What is wrong.
        detail: String,
    },
    /// The name is taken by an index.
    #[error(
        "`{0}` is an index, and must be an alias: choose another alias, or move that index out of the way"
    )]
    NotAnAlias(String),
    /// The alias has more than one index.
    #[error("the alias `{alias}` has several indices ({indices}): leave it one")]
    SeveralIndices {
        /// The alias.
        alias: String,
        /// Its indices.
        indices: String,
    },
    /// Readers would see tombstones.
    #[error(
        "the alias `{alias}` of `{index}` must have the filter {wanted}, and has {found}: readers would see removed documents"
    )]
    ForeignFilter {
        /// The alias.
        alias: String,
        /// The index behind it.
        index: String,
        /// Its filter.
        found: String,
        /// The filter it must have.
        wanted: String,
    },
    /// The index was made for something else.
    #[error(
        "the index `{index}` has another mapping: {what} is {found}, and must be {wanted}; give the flow another alias, or fill a new index"
    )]
    ForeignMapping {
        /// The index.
        index: String,
        /// The field or option that differs.
        what: String,
        /// As it is.
        found: String,
        /// As it must be.
        wanted: String,
    },
    /// It is not recorded what the index is written from.
    #[error(
        "the mapping of `{0}` has no readable `_meta.thalweg`: it was not made by Thalweg, and its versions mean nothing here"
    )]
    NotOurs(String),
    /// The log was replaced, or its keys moved.
    #[error(
        "the index `{index}` was written from another log: {what} was {recorded} and is {found}. Offsets of the two can't \
         be compared, and going on would silently lose writes. Drain the old partitions (let the flow of before reach \
         lag 0), then raise the generation of the index from {generation} with the flow's `raise-generation` command"
    )]
    LogChanged {
        /// The index.
        index: String,
        /// What differs: topic, topic id or number of partitions.
        what: &'static str,
        /// As recorded with the index.
        recorded: String,
        /// As the topic is.
        found: String,
        /// The generation recorded.
        generation: u16,
    },
    /// There is no generation above the recorded one.
    #[error("the generation of `{0}` can't be raised any more: fill a new index")]
    GenerationsUsedUp(String),
}

/// What the index must look like.
#[derive(Debug, Clone)]
pub struct IndexPlan {
    target: Target,
    shards: u32,
    replicas: u32,
    properties: Map<String, Value>,
}

impl IndexPlan {
    /// An index of the flow's fields (`properties`: what stands under that name in a mapping, as JSON), to which the
    /// tombstone's fields are added.
    ///
    /// # Errors
    /// When the properties are no JSON object or define a reserved field, or a number is out of range.
    pub fn new(target: Target, shards: u32, replicas: u32, properties: &str) -> Result<Self, SetupError> {
        let mut properties: Map<String, Value> =
            serde_json::from_str(properties).map_err(|error| SetupError::BadProperties(error.to_string()))?;
        let deleted = json!({"type": "boolean"});
        // Named, because the default takes a number of four digits for a year.
        let deleted_at = json!({"type": "date", "format": "epoch_millis"});
        for (name, field) in [(DELETED, deleted), (DELETED_AT, deleted_at)] {
            if properties.insert(name.into(), field).is_some() {
                return Err(SetupError::ReservedField(name));
            }
        }
        if !(1..=1024).contains(&shards) {
            return Err(SetupError::BadNumber { name: "shards", value: shards, allowed: "1 to 1024" });
        }
        if replicas > 100 {
            return Err(SetupError::BadNumber { name: "replicas", value: replicas, allowed: "0 to 100" });
        }
        Ok(Self { target, shards, replicas, properties })
    }

    /// Where the documents go.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The body that creates the index, with its alias, in one request: no reader ever sees one without the other.
    #[must_use]
    pub fn create_body(&self, log: &Log) -> Vec<u8> {
        let recorded = Recorded { log: log.clone(), generation: Generation::FIRST };
        let body = json!({
            "settings": {"number_of_shards": self.shards, "number_of_replicas": self.replicas},
            "mappings": {"dynamic": "strict", "_meta": meta(&recorded), "properties": self.properties},
            "aliases": {self.target.alias(): {"filter": filter()}},
        });
        body.to_string().into_bytes()
    }

    /// Reads what is behind the alias, and checks that it is what this plan would have made.
    ///
    /// # Errors
    /// Whatever differs, named.
    pub fn check(&self, answer: &[u8]) -> Result<Found, SetupError> {
        let alias = self.target.alias();
        let unreadable = |detail: String| SetupError::Unreadable { alias: alias.into(), detail };
        let indices: Map<String, Value> =
            serde_json::from_slice(answer).map_err(|error| unreadable(error.to_string()))?;
        let names = indices.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut all = indices.into_iter();
        let (index, description) = match (all.next(), all.next()) {
            (Some(only), None) => only,
            (None, _) => return Err(unreadable("it names no index".into())),
            _ => return Err(SetupError::SeveralIndices { alias: alias.into(), indices: names }),
        };
        if index == alias {
            return Err(SetupError::NotAnAlias(index));
        }
        self.check_filter(&index, &description)?;
        self.check_mapping(&index, &description["mappings"])?;
        let recorded = description["mappings"]["_meta"]["thalweg"].clone();
        let recorded = serde_json::from_value(recorded).map_err(|_| SetupError::NotOurs(index.clone()))?;
        Ok(Found { index, recorded })
    }

    fn check_filter(&self, index: &str, description: &Value) -> Result<(), SetupError> {
        let found = &description["aliases"][self.target.alias()]["filter"];
        if *found == filter() {
            return Ok(());
        }
        Err(SetupError::ForeignFilter {
            alias: self.target.alias().into(),
            index: index.into(),
            found: if found.is_null() { "none".into() } else { found.to_string() },
            wanted: filter().to_string(),
        })
    }

    fn check_mapping(&self, index: &str, mapping: &Value) -> Result<(), SetupError> {
        let foreign = |what: String, found: Option<&Value>, wanted: Option<&Value>| {
            let say = |value: Option<&Value>| value.map_or_else(|| "missing".into(), Value::to_string);
            let (found, wanted) = (say(found), say(wanted));
            Err(SetupError::ForeignMapping { index: index.into(), what, found, wanted })
        };
        let strict = json!("strict");
        if mapping["dynamic"] != strict {
            return foreign("`dynamic`".into(), mapping.get("dynamic"), Some(&strict));
        }
        let empty = Map::new();
        let found = mapping["properties"].as_object().unwrap_or(&empty);
        let differs = |name: &&String| found.get(*name) != self.properties.get(*name);
        match self.properties.keys().chain(found.keys()).find(differs) {
            Some(name) => foreign(format!("field `{name}`"), found.get(name), self.properties.get(name)),
            None => Ok(()),
        }
    }
}

impl Found {
    /// Checks that the index is written from this log.
    ///
    /// # Errors
    /// [`SetupError::LogChanged`] with what differs and what to do.
    pub fn check_log(&self, log: &Log) -> Result<Generation, SetupError> {
        let Recorded { log: recorded, generation } = &self.recorded;
        let texts = |log: &Log| [log.topic.clone(), log.topic_id.clone(), log.partitions.to_string()];
        let names = ["the topic", "the topic's id", "the number of partitions"];
        for ((what, recorded), found) in names.into_iter().zip(texts(recorded)).zip(texts(log)) {
            if recorded != found {
                let (index, generation) = (self.index.clone(), generation.number());
                return Err(SetupError::LogChanged { index, what, recorded, found, generation });
            }
        }
        Ok(*generation)
    }

    /// The body that records the next generation, written from `log`; and that generation. To be sent only when all of
    /// the old log has been applied.
    ///
    /// # Errors
    /// When there is no further generation.
    pub fn raise_generation(&self, log: &Log) -> Result<(Generation, Vec<u8>), SetupError> {
        let used_up = || SetupError::GenerationsUsedUp(self.index.clone());
        let generation = self.recorded.generation.next().ok_or_else(used_up)?;
        let body = json!({"_meta": meta(&Recorded { log: log.clone(), generation })});
        Ok((generation, body.to_string().into_bytes()))
    }
}

fn meta(recorded: &Recorded) -> Value {
    let Recorded { log, generation } = recorded;
    json!({"thalweg": {
        "topic": log.topic, "topic_id": log.topic_id, "partitions": log.partitions, "generation": generation.number(),
    }})
}

fn filter() -> Value {
    json!({"bool": {"must_not": {"term": {DELETED: true}}}})
}
