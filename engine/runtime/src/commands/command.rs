//! A command as the operator sees it.

use thalweg_core::failure::Reason;
use thalweg_core::record::Record;

use super::envelope::{CommandHeaders, ReplyAddress};
use super::fingerprint::{Fingerprint, fingerprint};

/// A record that somebody waits for to be answered. What is asked for is the record's value, as the route made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'r> {
    /// Who asks, as the token named them.
    pub user: &'r str,
    /// As the client sent it.
    pub idempotency_key: Option<&'r str>,
    pub(super) key: &'r [u8],
    pub(super) address: ReplyAddress,
    pub(super) request_hash: Fingerprint,
}

impl<'r> Command<'r> {
    /// The command that a record is; `None`: it is none, but a record that came another way.
    ///
    /// # Errors
    /// When it has headers of a command that can't be: for [`crate::Step::Rejected`].
    pub fn of(record: &Record<'r>) -> Result<Option<Self>, Reason> {
        let found = CommandHeaders::read(record.headers).map_err(|header| {
            Reason::new(
                "malformed_command",
                format!("the header {header} of a command is missing or can't be"),
            )
        })?;
        Ok(found.map(|CommandHeaders { address, user, idempotency_key, request_hash }| {
            let key = record.key.unwrap_or_default();
            Self { user, idempotency_key, key, address, request_hash }
        }))
    }

    /// The correlation id, for logs: 32 hexadecimal digits.
    #[must_use]
    pub fn correlation_id(&self) -> String {
        super::fingerprint::to_hex(&self.address.correlation_id)
    }

    /// What its reply is remembered under: by the log's key, the user and the idempotency key. `None`: it is not.
    pub(super) fn name(&self) -> Option<Fingerprint> {
        let idempotency_key = self.idempotency_key?;
        Some(fingerprint(&[self.key, self.user.as_bytes(), idempotency_key.as_bytes()]))
    }
}
