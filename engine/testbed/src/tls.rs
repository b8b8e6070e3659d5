//! Certificates for secured test servers, made once with the JDK's keytool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{AtPath, TestbedError};
use crate::process::run;
use crate::{folder, machine};

/// Of the test key stores; protects nothing.
pub const KEY_STORE_PASSWORD: &str = "thalweg-testbed";

/// The files a secured server and its clients need.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// PKCS#12 with the server's key and certificate, for `127.0.0.1` and `localhost`.
    pub server_key_store: PathBuf,
    /// PEM: who signed the server's certificate.
    pub ca: PathBuf,
    /// PEM: somebody else, for tests that must be refused.
    pub other_ca: PathBuf,
}

/// The certificates, made if they are not there yet.
///
/// # Errors
/// When keytool fails or the folder can't be written.
pub fn certificates() -> Result<Certificates, TestbedError> {
    let folder = folder::servers()?.join("certificates");
    let _lock = folder::lock(&folder)?;
    let made = Certificates {
        server_key_store: folder.join("server.p12"),
        ca: folder.join("ca.pem"),
        other_ca: folder.join("other-ca.pem"),
    };
    // Written last, so everything else is there when it is.
    if !made.server_key_store.is_file() {
        make(&folder, &made)?;
    }
    Ok(made)
}

fn make(folder: &Path, wanted: &Certificates) -> Result<(), TestbedError> {
    let keys = folder.join("keys.p12");
    let fresh = folder.join("server.part");
    for left_over in [&keys, &fresh].into_iter().filter(|path| path.exists()) {
        fs::remove_file(left_over).at(left_over)?;
    }
    let authority = ["-ext", "bc:c=ca:true", "-ext", "ku:c=keyCertSign"];
    generate(&keys, "ca", &authority)?;
    generate(&keys, "other-ca", &authority)?;
    generate(
        &keys,
        "server",
        &["-signer", "ca", "-ext", "san=ip:127.0.0.1,dns:localhost", "-ext", "eku=serverAuth"],
    )?;
    for (alias, file) in [("ca", &wanted.ca), ("other-ca", &wanted.other_ca)] {
        run(keytool("-exportcert")?
            .arg("-keystore")
            .arg(&keys)
            .args(password("-storepass"))
            .args(["-rfc", "-alias"])
            .args([alias, "-file"])
            .arg(file))?;
    }
    // The servers want a store with one private key.
    run(keytool("-importkeystore")?
        .arg("-srckeystore")
        .arg(&keys)
        .args(password("-srcstorepass"))
        .args(["-srcalias", "server"])
        .arg("-destkeystore")
        .arg(&fresh)
        .args(password("-deststorepass")))?;
    fs::rename(&fresh, &wanted.server_key_store).at(&wanted.server_key_store)
}

fn generate(keys: &Path, alias: &str, more: &[&str]) -> Result<(), TestbedError> {
    run(keytool("-genkeypair")?
        .arg("-keystore")
        .arg(keys)
        .args(password("-storepass"))
        .args(["-alias", alias, "-dname", &format!("CN=thalweg-test-{alias}")])
        .args(["-keyalg", "EC", "-groupname", "secp256r1", "-validity", "3650"])
        .args(more))
    .map(drop)
}

fn password(option: &str) -> [&str; 2] {
    [option, KEY_STORE_PASSWORD]
}

fn keytool(what: &str) -> Result<Command, TestbedError> {
    let mut command = Command::new(machine::java_home()?.join("bin/keytool"));
    command.arg(what);
    Ok(command)
}
