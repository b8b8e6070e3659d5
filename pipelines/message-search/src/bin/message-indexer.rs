//! Reads message events from Kafka and keeps the search index of messages.

use std::process::ExitCode;

use thalweg::Program;

fn main() -> ExitCode {
    Program {
        name: "message-indexer",
        about: "Reads message events from Kafka and keeps the Elasticsearch index of messages.",
        variables: &message_search::VARIABLES,
    }
    .run_or_try(message_search::flow, message_search::TRYOUT)
}
