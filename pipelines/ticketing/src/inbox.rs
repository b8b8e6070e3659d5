//! What comes to a service: commands, events of other services, and what became of charges.
//!
//! All of it is JSON with a `type`; those of commands have no dot.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thalweg::Reason;

use crate::charges::Outcome;
use crate::events::{self, Event, Unreadable};

/// A message in an inbox whose commands are of type `C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<C> {
    /// Somebody wants something, and waits for an answer.
    Command(C),
    /// Something has happened.
    Event(Event),
    /// A charge or a refund came to its end.
    Outcome(Outcome),
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
}

/// Reads a message of an inbox from its record's key and value.
///
/// # Errors
/// When there is none that concerns the service, or it can't be read.
pub fn read<C: DeserializeOwned>(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Message<C>, Unreadable> {
    let bytes = value.unwrap_or_default();
    let head: Head = serde_json::from_slice(bytes).map_err(|error| malformed("message", &error))?;
    match head.kind.split_once('.') {
        None => {
            serde_json::from_slice(bytes).map(Message::Command).map_err(|error| malformed("command", &error))
        }
        Some(("charge", _)) => serde_json::from_slice(bytes)
            .map(Message::Outcome)
            .map_err(|error| malformed("outcome of a charge", &error)),
        Some(_) => events::read(key, value).map(Message::Event),
    }
}

/// Says where, not what stands there: commands carry what nobody else should see.
fn malformed(what: &str, error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    Unreadable::Rejected(Reason::new(
        "malformed_message",
        format!("the value is no {what} that this service can read: see line {line}, column {column}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Command {
        Buy { token: String },
    }

    fn read_text(text: &str) -> Result<Message<Command>, Unreadable> {
        read(Some(b"t1"), Some(text.as_bytes()))
    }

    #[test]
    fn messages_are_told_apart_by_their_type() {
        let bought = read_text(r#"{"type":"buy","token":"x"}"#);
        assert_eq!(bought, Ok(Message::Command(Command::Buy { token: "x".to_owned() })));
        let charged = r#"{"type":"charge.declined","orderId":"t1.o1","paymentId":"t1.o1.p1","reason":"no"}"#;
        assert!(matches!(read_text(charged), Ok(Message::Outcome(_))));
        assert_eq!(read_text(r#"{"type":"weather.rain"}"#), Err(Unreadable::Unknown));
    }

    #[test]
    fn what_can_not_be_read_is_named_without_its_contents() {
        for text in [
            r#"{"type":"buy","token":{"secret":1}}"#,
            r#"{"type":"sell","token":"secret"}"#,
            r#"{"type":"charge.x","token":"secret"}"#,
            r#"{"secret":"#,
        ] {
            let Err(Unreadable::Rejected(reason)) = read_text(text) else { unreachable!("{text}") };
            assert_eq!(reason.class, "malformed_message");
            assert!(!reason.message.contains("secret"), "{}", reason.message);
        }
    }
}
