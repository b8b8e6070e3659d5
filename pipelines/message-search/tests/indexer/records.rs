//! Message events, and records that are none.

use serde_json::{Value, json};

/// A record to write. Each gets an event id of its own.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The partition; absent: by the key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// A record with that key.
pub fn keyed(key: &str, value: impl Into<Vec<u8>>) -> Written {
    Written { partition: None, key: Some(key.as_bytes().to_vec()), value: Some(value.into()) }
}

impl Written {
    /// The same, to a partition of choice.
    pub fn to(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }
}

/// The event of a created message, as a value that can be spoiled.
pub fn creation(id: &str, conversation: &str, content: &str) -> Value {
    json!({"type": "message.created", "payload": {
        "id": id, "conversationId": conversation, "senderId": "s", "content": content, "tenantId": "t",
        "timestamp": "2023-08-15T10:30:00Z", "metadata": {"first": 1, "kept": null},
    }})
}

/// A message is created in a conversation.
pub fn created(id: &str, conversation: &str, content: &str) -> Written {
    keyed(conversation, creation(id, conversation, content).to_string())
}

/// A message of the conversation gets another text, and one more entry of metadata.
pub fn updated(id: &str, conversation: &str, content: &str) -> Written {
    let payload = json!({"id": id, "content": content, "tenantId": "t", "metadata": {"second": content}});
    keyed(conversation, json!({"type": "message.updated", "payload": payload}).to_string())
}

/// A message of the conversation is deleted.
pub fn deleted(id: &str, conversation: &str) -> Written {
    let payload = json!({"id": id, "tenantId": "t"});
    keyed(conversation, json!({"type": "message.deleted", "payload": payload}).to_string())
}

/// A history: messages of ten conversations, of each tenth one update, and of each twentieth a delete.
pub fn history(name: &str, count: usize) -> Vec<Written> {
    let mut records = Vec::with_capacity(count);
    for number in 0.. {
        let (id, conversation) = (format!("{name}-{number}"), format!("{name}-c{}", number % 10));
        records.push(created(&id, &conversation, &format!("text {number}")));
        if number % 10 >= 7 {
            records.push(updated(&id, &conversation, &format!("new text {number}")));
        }
        if number % 20 == 8 {
            records.push(deleted(&id, &conversation));
        }
        if records.len() >= count {
            break;
        }
    }
    records.truncate(count);
    records
}
