//! Tokens that count, and those that don't.

use super::*;

const NOW_MS: i64 = 1_700_000_000_000;

fn key_of(secret: &str) -> TokenKey {
    TokenKey::new(&Secret::new(secret)).unwrap()
}

fn key() -> TokenKey {
    key_of("0123456789abcdef0123456789abcdef")
}

/// A token of any head and claims, signed correctly.
fn signed(head: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&key().0, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn the_example_of_rfc_7515_has_its_signature() {
    // RFC 7515, appendix A.1: the key, and head and claims with their line breaks.
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = TokenKey(hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(secret).unwrap()));
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                 eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                 dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    // Its signature is right; it names no user.
    assert_eq!(key.user_of(token, 0), Err(TokenError::Malformed));
    assert_eq!(key.user_of(&token.replace("dBjf", "eBjf"), 0), Err(TokenError::Signature));
}

#[test]
fn a_token_names_its_user_until_it_expires() {
    let token = key().issue("ann", NOW_MS, 60_000).unwrap();
    for (after_ms, expected) in [
        (0, Ok("ann".to_owned())),
        (59_999, Ok("ann".to_owned())),
        (60_000, Err(TokenError::Expired)),
        (3_600_000, Err(TokenError::Expired)),
    ] {
        assert_eq!(key().user_of(&token, NOW_MS + after_ms), expected, "after {after_ms} ms");
    }
}

#[test]
fn another_secret_or_a_changed_token_does_not_count() {
    let token = key().issue("ann", NOW_MS, 60_000).unwrap();
    assert_eq!(key_of(&"x".repeat(32)).user_of(&token, NOW_MS), Err(TokenError::Signature));
    for index in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(key().user_of(&changed, NOW_MS).is_err(), "{changed}");
    }
    for cut in 0..token.len() {
        assert!(key().user_of(&token[..cut], NOW_MS).is_err());
    }
}

#[test]
fn what_is_signed_but_says_something_else_does_not_count() {
    let (head, claims) = (r#"{"alg":"HS256"}"#, r#"{"sub":"ann","exp":1700000060}"#);
    assert_eq!(key().user_of(&signed(head, claims), NOW_MS), Ok("ann".to_owned()));
    let malformed = [
        (r#"{"alg":"none"}"#, claims),
        (r#"{"alg":"HS512"}"#, claims),
        (r#"{"alg":"HS256","crit":["b64"]}"#, claims),
        (r#"{}"#, claims),
        (head, r#"{"sub":"ann"}"#),
        (head, r#"{"exp":1700000060}"#),
        (head, r#"{"sub":"ann","exp":"1700000060"}"#),
        (head, r#"{"sub":"ann","exp":null}"#),
        (head, r#"{"sub":"","exp":1700000060}"#),
        (head, r#"{"sub":"a\nb","exp":1700000060}"#),
        (head, r#"{"sub":"ann","exp":1700000060,"nbf":"x"}"#),
        (head, "no json"),
    ];
    for (head, claims) in malformed {
        assert_eq!(
            key().user_of(&signed(head, claims), NOW_MS),
            Err(TokenError::Malformed),
            "{head} {claims}"
        );
    }
    let early = r#"{"sub":"ann","exp":1700000060,"nbf":1700000001}"#;
    assert_eq!(key().user_of(&signed(head, early), NOW_MS), Err(TokenError::TooEarly));
    let long = signed(head, &format!(r#"{{"sub":"ann","exp":1700000060,"x":"{}"}}"#, "x".repeat(4_096)));
    assert_eq!(key().user_of(&long, NOW_MS), Err(TokenError::Malformed));
}

#[test]
fn nobody_can_be_named_in_a_way_that_does_not_count() {
    let long = "x".repeat(129);
    for user in ["", "a\nb", "a\u{7f}", long.as_str()] {
        assert_eq!(key().issue(user, NOW_MS, 1_000), Err(TokenError::User), "{user:?}");
    }
    assert_eq!(TokenKey::new(&Secret::new("x".repeat(31))).map(|_| ()), Err(TokenError::ShortSecret));
    assert!(!format!("{:?}", key()).contains("0123"));
}
