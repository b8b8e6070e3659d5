//! The section `[views]`.

use serde::{Deserialize, Serialize};

use crate::settings::SettingError;

/// How views are kept and shown; for each view of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ViewSettings {
    /// Bytes of memory that a view may take. One that needs more answers nobody: 503.
    pub bytes_max: u64,
    /// Things on a page at most, and where a request does not say how many it wants.
    pub page_items_max: u32,
    /// How long a request waits for what was written before it came; then it gets a 503.
    pub wait_ms: u64,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, page_items_max: 100, wait_ms: 2_000 }
    }
}

impl ViewSettings {
    /// Checks what types don't; keys are named below `views`.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let within = |key: &str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(SettingError::new(&format!("views.{key}"), value, format!("must be from {min} to {max}")))
        };
        within("bytes_max", self.bytes_max, 1 << 10, 1 << 40)?;
        within("page_items_max", self.page_items_max.into(), 1, 10_000)?;
        within("wait_ms", self.wait_ms, 0, 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_is_named() {
        let good = ViewSettings::default();
        assert_eq!(good.check(), Ok(()));
        for (settings, key) in [
            (ViewSettings { bytes_max: 1, ..good.clone() }, "views.bytes_max"),
            (ViewSettings { page_items_max: 0, ..good.clone() }, "views.page_items_max"),
            (ViewSettings { wait_ms: 60_001, ..good }, "views.wait_ms"),
        ] {
            let said = settings.check().unwrap_err().to_string();
            assert!(said.starts_with(key) && said.contains("must be from"), "{said}");
        }
    }
}
