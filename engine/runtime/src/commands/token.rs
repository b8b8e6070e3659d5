//! Bearer tokens: who a request is from. JSON Web Tokens (RFC 7519) signed with HMAC-SHA256, and nothing else: no other
//! algorithm is ever read from a token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use thalweg_connectors::kafka::secret::Secret;

/// RFC 7518, section 3.2: a key is at least as long as the hash.
pub(super) const SECRET_BYTES_MIN: usize = 32;

/// A token is a line of a request's head; ours take about 150 bytes.
const TOKEN_BYTES_MAX: usize = 4 << 10;

/// A user's name is a header of a record, and part of names in state.
const USER_BYTES_MAX: usize = 128;

/// Signs and checks tokens.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

/// Why a token does not count, or can't be made. Says nothing that helps to guess one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The secret is too short.
    #[error("the secret must have at least {SECRET_BYTES_MIN} bytes")]
    ShortSecret,
    /// Not a user's name.
    #[error("a user must be named by 1 to {USER_BYTES_MAX} bytes without control characters")]
    User,
    /// Not a token of this kind.
    #[error("the token is not a JSON Web Token signed with HS256 that names a user and an end")]
    Malformed,
    /// Signed with another secret, or changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// Too old.
    #[error("the token has expired")]
    Expired,
    /// Not valid yet.
    #[error("the token is not valid yet")]
    TooEarly,
}

#[derive(Serialize, Deserialize)]
struct Head<'t> {
    alg: &'t str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typ: Option<&'t str>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11): we understand none.
    #[serde(default, skip_serializing)]
    crit: Option<serde::de::IgnoredAny>,
}

/// Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<f64>,
}

impl TokenKey {
    /// Of that secret.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(secret: &Secret) -> Result<Self, TokenError> {
        let bytes = secret.reveal().as_bytes();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(TokenError::ShortSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// A token that names `user` from `now_ms` (since 1970) for `valid_ms`: for development and tests.
    ///
    /// # Errors
    /// When `user` can't be a user's name.
    pub fn issue(&self, user: &str, now_ms: i64, valid_ms: u64) -> Result<String, TokenError> {
        if !is_user(user) {
            return Err(TokenError::User);
        }
        let seconds = |ms: i64| (ms as f64 / 1e3).floor();
        let claims = Claims {
            sub: user.to_owned(),
            exp: seconds(now_ms.saturating_add_unsigned(valid_ms)),
            nbf: None,
            iat: Some(seconds(now_ms)),
        };
        let head = Head { alg: "HS256", typ: Some("JWT"), crit: None };
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let json = (serde_json::to_vec(&head), serde_json::to_vec(&claims));
        let (Ok(head), Ok(claims)) = json else { return Err(TokenError::Malformed) };
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The user whom a token names.
    ///
    /// # Errors
    /// When it does not count at `now_ms` (since 1970).
    pub fn user_of(&self, token: &str, now_ms: i64) -> Result<String, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if token.len() > TOKEN_BYTES_MAX || claims.contains('.') {
            return Err(TokenError::Malformed);
        }
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
        // The signature first: nothing that somebody else wrote is looked at.
        hmac::verify(&self.0, signed.as_bytes(), &decoded(signature)?).map_err(|_| TokenError::Signature)?;
        let (head, claims) = (decoded(head)?, decoded(claims)?);
        let head: Head<'_> = serde_json::from_slice(&head).map_err(|_| TokenError::Malformed)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)?;
        if head.alg != "HS256" || head.crit.is_some() || !is_user(&claims.sub) {
            return Err(TokenError::Malformed);
        }
        let now = now_ms as f64 / 1e3;
        if now >= claims.exp {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|from| now < from) {
            return Err(TokenError::TooEarly);
        }
        Ok(claims.sub)
    }
}

fn is_user(name: &str) -> bool {
    (1..=USER_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests;
