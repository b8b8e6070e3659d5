//! A setting that can't be, and where settings come from.

use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the program's own.
    Default,
    /// By `--demo`, in the place of a default.
    Demo,
    /// In the settings file.
    File(PathBuf),
    /// By an environment variable.
    Variable(String),
    /// By `--set`.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::Demo => write!(f, "--demo"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment: {name}"),
            Self::Flag => write!(f, "--set"),
        }
    }
}

/// A setting that can't be: which, what it says, where it says so, and what would be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// From the outermost section to the key; empty when it is about the whole.
    path: Vec<String>,
    value: Option<String>,
    origin: Option<Origin>,
    problem: String,
}

impl SettingError {
    /// `key` (sections joined by dots) can't have that value.
    #[must_use]
    pub fn new(key: &str, value: impl fmt::Display, allowed: impl Into<String>) -> Self {
        let path = key.split('.').map(str::to_owned).collect();
        Self { path, value: Some(value.to_string()), origin: None, problem: allowed.into() }
    }

    /// A connector's error, whose key stands below `section`.
    #[must_use]
    pub fn of_connector(section: &str, error: &thalweg_connectors::kafka::settings::SettingError) -> Self {
        let key = format!("{section}.{}", error.key);
        Self::new(&key, toml::Value::String(error.value.clone()), error.allowed.clone())
    }

    pub(super) fn general(problem: impl Into<String>) -> Self {
        Self { path: Vec::new(), value: None, origin: None, problem: problem.into() }
    }

    pub(super) fn at(key: &str, problem: impl Into<String>) -> Self {
        Self { path: vec![key.to_owned()], ..Self::general(problem) }
    }

    /// The same, of a key below `section`.
    #[must_use]
    pub(super) fn under(mut self, section: &str) -> Self {
        self.path.insert(0, section.to_owned());
        self
    }

    /// Notes value and origin, if nothing nearer to the cause has.
    #[must_use]
    pub(super) fn of_value(mut self, value: String, origin: Origin) -> Self {
        if self.origin.is_none() {
            self.value.get_or_insert(value);
            self.origin = Some(origin);
        }
        self
    }

    pub(super) fn with_origin(mut self, origin: impl FnOnce(&[String]) -> Option<Origin>) -> Self {
        if self.origin.is_none() {
            self.origin = origin(&self.path);
        }
        self
    }

    /// The key, its sections joined by dots.
    #[must_use]
    pub fn key(&self) -> String {
        self.path.join(".")
    }
}

/// Checks that a number is one of a range, ends included.
///
/// # Errors
/// When it is not.
pub(super) fn within(key: &str, value: u64, min: u64, max: u64) -> Result<(), SettingError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SettingError::new(key, value, format!("must be from {min} to {max}")))
}

/// Whether values of that key must not be shown.
fn is_secret(key: &str) -> bool {
    ["password", "secret", "api_key", "token"].iter().any(|word| key.contains(word))
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}", self.key())?;
            match &self.value {
                Some(_) if self.path.last().is_some_and(|key| is_secret(key)) => write!(f, " = \"***\"")?,
                Some(value) => write!(f, " = {value}")?,
                None => {}
            }
            if let Some(origin) = &self.origin {
                write!(f, " ({origin})")?;
            }
            write!(f, ": ")?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for SettingError {}

impl serde::de::Error for SettingError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::general(message.to_string())
    }

    fn invalid_type(_unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::general(format!("must be {}", in_words(&expected.to_string())))
    }

    fn invalid_value(_unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::general(format!("must be {}", in_words(&expected.to_string())))
    }

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        let words: Vec<_> = expected.iter().map(|word| format!("\"{word}\"")).collect();
        Self::general(format!("must be {}", words.join(" or ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::at(field, format!("there is no such key; allowed here: {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::at(field, "must be set")
    }
}

/// What serde calls a Rust type, for people.
pub(super) fn in_words(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        other if other.starts_with("struct ") => "a section with keys of its own".to_owned(),
        other => other.to_owned(),
    }
}
