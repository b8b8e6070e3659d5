//! The connector's operations: what a request's number means, and where it goes.

use thalweg_core::sink::Request;

/// One kind of request. A [`Request`] carries it as its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Writes documents through the alias, each with its version.
    Bulk = 1,
    /// Reads documents by id through the alias, as of now; sees tombstones too, because gets ignore an alias's filter.
    Mget = 2,
    /// Reads the index behind the alias: its name, mapping and aliases.
    ReadIndex = 3,
    /// Creates the first index, with its alias.
    CreateIndex = 4,
    /// Changes the mapping's `_meta`.
    PutMapping = 5,
    /// Searches the index itself, behind the alias's filter.
    SearchTombstones = 6,
    /// Asks whether anybody is there.
    Health = 7,
    /// Searches what readers of the alias see.
    Search = 8,
}

/// The method of an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
}

/// Where documents go: the alias that readers search, and the index behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    alias: String,
}

/// Bulk answers say no more than is read: 130 bytes an item instead of 300.
const BULK_FILTER: &str =
    "filter_path=errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason";
const SEARCH_FILTER: &str =
    "filter_path=timed_out,_shards.failed,hits.hits._id,hits.hits._seq_no,hits.hits._primary_term";
const FOUND_FILTER: &str = "filter_path=hits.hits._source";

impl Target {
    /// Documents behind that alias.
    ///
    /// # Errors
    /// When Elasticsearch would not take the name: it must be lower-case letters, digits, `-`, `_` and `.`, at most 200,
    /// and start with a letter or digit.
    pub fn new(alias: impl Into<String>) -> Result<Self, String> {
        let alias = alias.into();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let starts_well = alias.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if !starts_well || alias.len() > 200 || !alias.bytes().all(allowed) {
            return Err(format!(
                "{alias:?} can't name an index: use at most 200 lower-case letters, digits, '-', '_' and '.', and start \
                 with a letter or digit"
            ));
        }
        Ok(Self { alias })
    }

    /// The alias that readers search, and that everything is written through.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The index that is created behind it.
    #[must_use]
    pub fn first_index(&self) -> String {
        format!("{}-000001", self.alias)
    }

    /// Method and path (with query) of an operation. `index` is the index behind the alias, for what bypasses the
    /// alias's filter.
    #[must_use]
    pub fn endpoint(&self, operation: Operation, index: &str) -> (Method, String) {
        let alias = &self.alias;
        match operation {
            // An alias is required, so that a lost index is an error instead of a new one without our mapping.
            Operation::Bulk => (Method::Post, format!("/{alias}/_bulk?require_alias=true&{BULK_FILTER}")),
            // No filter here: filtering would rewrite the numbers inside the documents.
            Operation::Mget => (Method::Post, format!("/{alias}/_mget")),
            Operation::ReadIndex => (Method::Get, format!("/{alias}")),
            Operation::CreateIndex => (Method::Put, format!("/{}", self.first_index())),
            Operation::PutMapping => (Method::Put, format!("/{alias}/_mapping")),
            Operation::SearchTombstones => (Method::Post, format!("/{index}/_search?{SEARCH_FILTER}")),
            Operation::Health => (Method::Get, "/_cluster/health?filter_path=status".into()),
            Operation::Search => (Method::Post, format!("/{alias}/_search?{FOUND_FILTER}")),
        }
    }
}

impl Operation {
    const ALL: [Self; 8] = [
        Self::Bulk,
        Self::Mget,
        Self::ReadIndex,
        Self::CreateIndex,
        Self::PutMapping,
        Self::SearchTombstones,
        Self::Health,
        Self::Search,
    ];

    /// The operation of that number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&operation| operation as u8 == number)
    }

    /// A request for this operation.
    #[must_use]
    pub fn request(self, body: Vec<u8>) -> Request {
        Request { operation: self as u8, body }
    }

    /// The media type of its body.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        if self == Self::Bulk { "application/x-ndjson" } else { "application/json" }
    }
}
