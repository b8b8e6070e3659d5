//! The peers' sources, and the copy of them that every build lies beside.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Whether every file below `from` is below `to` as it is. What else is there is not looked at.
pub(super) fn is_copy(from: &Path, to: &Path) -> bool {
    let Ok(entries) = fs::read_dir(from) else { return false };
    entries.flatten().all(|entry| {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            is_copy(&path, &copied)
        } else {
            matches!((fs::read(&path), fs::read(&copied)), (Ok(ours), Ok(theirs)) if ours == theirs)
        }
    })
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("can't make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("can't read {}", from.display()))? {
        let entry = entry?;
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied).with_context(|| format!("can't copy {}", path.display()))?;
        }
    }
    Ok(())
}

pub(super) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("can't remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_missing_source_makes_a_build_old() -> Result<()> {
        let (sources, built) = (tempfile::tempdir()?, tempfile::tempdir()?);
        fs::create_dir(sources.path().join("inner"))?;
        fs::write(sources.path().join("inner/Main.java"), "one")?;
        copy(sources.path(), built.path())?;
        fs::create_dir(built.path().join("target"))?;
        assert!(is_copy(sources.path(), built.path()));
        fs::write(sources.path().join("inner/Main.java"), "two")?;
        assert!(!is_copy(sources.path(), built.path()), "a source changed");
        fs::write(built.path().join("inner/Main.java"), "two")?;
        fs::write(sources.path().join("pom.xml"), "new")?;
        assert!(!is_copy(sources.path(), built.path()), "a source is new");
        Ok(())
    }
}
