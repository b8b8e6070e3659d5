//! The settings files: every key, explained, with its default.

use thalweg::kafka::Secret;
use thalweg::trial::{SettingsFile, with_every_key};
use ticketing::programs::{
    ExpirationProgram, OrdersProgram, PaymentsProgram, TicketingProgram, TicketsProgram,
};

use crate::scene::command;

/// A program's file, and what is wrong with it.
struct File {
    program: &'static str,
    file: SettingsFile<'static>,
    faults: Vec<String>,
}

/// The file of a program, whose settings have these secrets.
macro_rules! file {
    ($program:literal, $settings:ty $(, $($secret:ident).+)*) => {{
        #[allow(unused_mut, reason = "one program has no secrets")]
        let mut all = <$settings>::default();
        $(all.$($secret).+ = Some(Secret::new("x"));)*
        (all.kafka, all.transactions.instance) = (with_every_key(&all.kafka), Some("x".to_owned()));
        let file = SettingsFile(include_str!(concat!("../../", $program, ".toml")));
        File { program: $program, file, faults: file.faults(&<$settings>::default(), &all) }
    }};
}

fn files() -> [File; 5] {
    [
        file!("tickets", TicketsProgram, tickets.commands.token_secret),
        file!("orders", OrdersProgram, orders.commands.token_secret),
        file!("payments", PaymentsProgram, payments.commands.token_secret, payments.provider.bearer_token),
        file!("expiration", ExpirationProgram),
        file!(
            "ticketing",
            TicketingProgram,
            tickets.commands.token_secret,
            orders.commands.token_secret,
            payments.commands.token_secret,
            payments.provider.bearer_token
        ),
    ]
}

#[test]
fn every_key_is_in_the_files_explained_and_with_its_default() {
    for File { program, faults, .. } in files() {
        assert_eq!(faults, [""; 0], "{program}");
    }
}

#[test]
fn the_programs_take_their_files_and_what_they_print() {
    for File { program, file, .. } in files() {
        let path = format!("{}/{program}.toml", env!("CARGO_MANIFEST_DIR"));
        let told = command(program).args(["--settings", &path, "--print-settings"]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let told = String::from_utf8(told.stdout).unwrap();
        let mut differences = file.differences(&told);
        // The tests' own secret is in the environment.
        differences.retain(|key| !key.contains("token_secret is not set in the file, and \"***\""));
        assert_eq!(differences, [""; 0], "{program}");
        assert!(told.contains(&format!("{program}.toml")), "it says where a value comes from");
        let help = command(program).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains("KAFKA_BROKERS") && help.contains("--check"), "{help}");
    }
}
