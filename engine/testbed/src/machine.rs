//! What the machine must have, and how it gets it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::TestbedError;
use crate::process::run;
use crate::recipe::prometheus;

/// The oldest Java that Kafka 4 and Elasticsearch 8 run on.
const JAVA_MAJOR_MIN: u32 = 17;

/// A program the testbed or the build needs, and the Debian packages that have it (the first that exists is taken).
struct Need {
    what: &'static str,
    packages: &'static [&'static str],
    is_there: fn() -> bool,
}

/// Everything a fresh Debian with Rust, a C compiler and make may lack.
const NEEDS: &[Need] = &[
    Need { what: "a C compiler", packages: &["gcc"], is_there: || on_path("cc") },
    // librdkafka's configure script looks for it even though only its C part is built.
    Need { what: "a C++ compiler", packages: &["g++"], is_there: || on_path("c++") },
    Need { what: "make", packages: &["make"], is_there: || on_path("make") },
    Need {
        what: "a JDK of version 17 or newer",
        packages: &["openjdk-17-jdk-headless", "openjdk-21-jdk-headless", "default-jdk-headless"],
        is_there: || find_java_home().is_some(),
    },
    // Building OpenSSL for the `tls` feature takes more of perl than Debian's base has.
    Need {
        what: "perl",
        packages: &["perl"],
        is_there: || run(Command::new("perl").args(["-MFindBin", "-MFile::Compare", "-e", "1"])).is_ok(),
    },
    Need { what: "openssl", packages: &["openssl"], is_there: || on_path("openssl") },
    // The live page's test looks at it with a browser.
    Need { what: "Chromium", packages: &["chromium"], is_there: || on_path("chromium") },
    Need { what: "ChromeDriver", packages: &["chromium-driver"], is_there: || on_path("chromedriver") },
    Need { what: "Maven", packages: &["maven"], is_there: || on_path("mvn") },
];

/// Makes the machine able to start the servers and build the tests: installs what is missing when root on a Debian.
///
/// # Errors
/// [`TestbedError::Missing`] with the list, when something is missing and can't be installed by us.
pub fn prepare() -> Result<(), TestbedError> {
    install_missing()?;
    // Not one of the needs: its package would start a service, so only its programs are taken.
    prometheus::program("promtool").map(drop)
}

fn install_missing() -> Result<(), TestbedError> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !on_path("apt-get") {
        return Err(missing_error(&missing));
    }
    eprintln!("installing with apt-get: {}", names(&missing));
    apt_get(&["update"])?;
    for need in &missing {
        install(need)?;
    }
    let still: Vec<&Need> = missing.into_iter().filter(|need| !(need.is_there)()).collect();
    if still.is_empty() { Ok(()) } else { Err(missing_error(&still)) }
}

/// The JDK to run servers with.
///
/// # Errors
/// When there is none of version 17 or newer.
pub fn java_home() -> Result<PathBuf, TestbedError> {
    find_java_home().ok_or_else(|| TestbedError::Missing {
        missing: "a JDK of version 17 or newer (openjdk-17-jdk-headless), or JAVA_HOME pointing at one"
            .to_owned(),
    })
}

fn install(need: &Need) -> Result<(), TestbedError> {
    let mut last = Ok(());
    for package in need.packages {
        last = apt_get(&["install", "--yes", "--no-install-recommends", package]);
        if last.is_ok() {
            break;
        }
    }
    last
}

pub(crate) fn apt_get(arguments: &[&str]) -> Result<(), TestbedError> {
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("--quiet=2")
        .args(arguments)
        .stdin(Stdio::null()))
    .map(drop)
}

fn missing_error(missing: &[&Need]) -> TestbedError {
    TestbedError::Missing { missing: names(missing) }
}

fn names(needs: &[&Need]) -> String {
    let all: Vec<String> = needs
        .iter()
        .map(|need| format!("{} (Debian: {})", need.what, need.packages.first().unwrap_or(&"none")))
        .collect();
    all.join(", ")
}

fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// Where on the path a program is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// `JAVA_HOME` if it is new enough, else the oldest one that is under `/usr/lib/jvm` (17 starts fastest), else the one
/// whose `java` is on the path.
fn find_java_home() -> Option<PathBuf> {
    if let Some(home) =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).filter(|home| jdk_major(home).is_some())
    {
        return Some(home);
    }
    let installed = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path());
    installed
        .filter_map(|home| jdk_major(&home).map(|major| (major, home)))
        .min()
        .map(|(_, home)| home)
        .or_else(java_on_path)
}

fn java_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter_map(|folder| fs::canonicalize(folder.join("java")).ok())
        .filter_map(|java| Some(java.parent()?.parent()?.to_path_buf()))
        .find(|home| jdk_major(home).is_some())
}

/// The major version of the JDK at `home`, if it is one (not only a JRE) and new enough.
fn jdk_major(home: &Path) -> Option<u32> {
    if !["java", "jar", "keytool"].iter().all(|tool| home.join("bin").join(OsStr::new(tool)).is_file()) {
        return None;
    }
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    let major = version.split(['.', '"', '-', '+']).next()?.parse().ok()?;
    (major >= JAVA_MAJOR_MIN).then_some(major)
}
