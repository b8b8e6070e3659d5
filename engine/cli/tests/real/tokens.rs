//! `thalweg token`. Needs no Kafka.

use std::time::{SystemTime, UNIX_EPOCH};

use thalweg::commands::{TokenError, TokenKey};
use thalweg::kafka::Secret;

use crate::command::{Ended, command};

const SECRET: &str = "only-for-tests-only-for-tests-only";

fn run(line: &str, secret: &str) -> Ended {
    command(line).env("TOKEN_SECRET", secret).output().unwrap().into()
}

#[test]
fn a_token_names_its_user_for_as_long_as_was_said() {
    let ended = run("token ann --seconds 60", SECRET);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let key = TokenKey::new(&Secret::new(SECRET)).unwrap();
    let token = ended.output.trim_end();
    assert_eq!(key.user_of(token, now_ms), Ok("ann".to_owned()));
    assert_eq!(key.user_of(token, now_ms + 61_000), Err(TokenError::Expired));
}

#[test]
fn a_secret_is_read_from_a_settings_file_and_never_shown() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("flow.toml");
    std::fs::write(
        &file,
        format!("[topics]\nsource = \"x\"\n[commands]\nlisten = \"y\"\ntoken_secret = \"{SECRET}\"\n"),
    )
    .unwrap();
    let ended = run(&format!("token ann --settings {}", file.display()), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.output.matches('.').count(), 2, "{ended:?}");
    let short = run("token ann", "short-secret");
    assert_eq!(short.code, Some(2), "{short:?}");
    assert!(
        short.errors.contains("at least 32 bytes") && !short.errors.contains("short-secret"),
        "{short:?}"
    );
    let none = run("token ann", "");
    assert!(none.code == Some(2) && none.errors.contains("TOKEN_SECRET"), "{none:?}");
    let nobody = run(&format!("token {}", "x".repeat(129)), SECRET);
    assert!(nobody.code == Some(2) && nobody.errors.contains("1 to 128 bytes"), "{nobody:?}");
}
