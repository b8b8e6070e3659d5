//! Downloads through Maven Central, once, into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{AtPath, TestbedError};
use crate::folder;
use crate::process::run;

/// An artifact of Maven Central.
#[derive(Debug, Clone, Copy)]
pub struct Artifact {
    /// Maven's groupId.
    pub group: &'static str,
    /// Maven's artifactId.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
    /// `jar` or `zip`.
    pub kind: &'static str,
}

/// Puts `artifacts`, and with `transitive` all they need at run time, into the folder `name` of the cache and returns
/// it. Downloads nothing when the folder is there.
///
/// # Errors
/// When Maven fails; its output says why.
pub fn fetch(name: &str, artifacts: &[Artifact], transitive: bool) -> Result<PathBuf, TestbedError> {
    let cache = folder::cache()?;
    let ready = cache.join(name);
    if ready.is_dir() {
        return Ok(ready);
    }
    let work = cache.join(format!("{name}.part"));
    let _lock = folder::lock(&cache)?;
    if ready.is_dir() {
        return Ok(ready);
    }
    eprintln!("downloading {name} to {} (once)", cache.display());
    if work.exists() {
        fs::remove_dir_all(&work).at(&work)?;
    }
    let files = work.join("files");
    fs::create_dir_all(&files).at(&files)?;
    let pom = work.join("pom.xml");
    fs::write(&pom, pom_of(artifacts)).at(&pom)?;
    copy_dependencies(&cache, &work, &files, transitive)?;
    fs::rename(&files, &ready).at(&ready)?;
    fs::remove_dir_all(&work).at(&work)?;
    Ok(ready)
}

fn copy_dependencies(cache: &Path, work: &Path, files: &Path, transitive: bool) -> Result<(), TestbedError> {
    run(Command::new("mvn")
        .current_dir(work)
        .args(["--batch-mode", "--quiet", "--no-transfer-progress"])
        .arg(format!("-Dmaven.repo.local={}", cache.join("maven").display()))
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DexcludeTransitive={}", !transitive))
        .arg(format!("-DoutputDirectory={}", files.display())))
    .map(drop)
}

/// A pom that only lists what to fetch.
fn pom_of(artifacts: &[Artifact]) -> String {
    let dependencies: String = artifacts
        .iter()
        .map(|Artifact { group, name, version, kind }| {
            format!(
                "    <dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>\
                 <version>{version}</version><type>{kind}</type></dependency>\n"
            )
        })
        .collect();
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>thalweg</groupId>
  <artifactId>testbed-downloads</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>3.8.1</version>
  </plugin></plugins></build>
  <dependencies>
{dependencies}  </dependencies>
</project>
"#
    )
}
