//! Bearer tokens: JSON Web Tokens signed with HMAC-SHA256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// A token that names the user until then, in seconds since 1970.
pub(crate) fn issue(secret: &str, user: &str, until_s: u64) -> String {
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(&serde_json::json!({ "alg": "HS256", "typ": "JWT" }));
    let signed = format!("{head}.{}", part(&serde_json::json!({ "sub": user, "exp": until_s })));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_over_head_and_claims() {
        let token = issue("0123456789abcdef0123456789abcdef", "alice", 2_000_000_000);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef0123456789abcdef");
        hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((claims["sub"].as_str(), claims["exp"].as_u64()), (Some("alice"), Some(2_000_000_000)));
    }
}
