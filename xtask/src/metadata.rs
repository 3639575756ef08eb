//! The packages of this workspace, from `cargo metadata`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::step::Cargo;

/// The workspace, without its external dependencies.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
    pub(crate) workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) description: Option<String>,
    pub(crate) readme: Option<PathBuf>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, otherwise `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// The path, if it is not from a registry.
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
}

impl Metadata {
    /// Returns the published packages, which are in `crates/`.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        let crates = self.workspace_root.join("crates");
        self.packages
            .iter()
            .filter(move |package| package.manifest_path.starts_with(&crates))
    }
}

impl Package {
    pub(crate) fn directory(&self) -> &Path {
        self.manifest_path.parent().unwrap_or_else(|| Path::new(""))
    }

    /// Returns the relative path of the manifest of a package in `crates/`.
    pub(crate) fn library_manifest(&self) -> String {
        let folder = self.directory().file_name().unwrap_or_default();
        format!("crates/{}/Cargo.toml", folder.display())
    }

    pub(crate) fn has_library(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }

    /// Makes a package with only a name.
    #[cfg(test)]
    pub(crate) fn sample(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            manifest_path: format!("/sample/crates/{name}/Cargo.toml").into(),
            description: None,
            readme: None,
            features: BTreeMap::new(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        }
    }
}

/// Runs `cargo metadata`.
pub(crate) fn read() -> Result<Metadata, Error> {
    let json = Cargo::new("metadata --format-version 1 --no-deps").output()?;
    serde_json::from_slice(&json)
        .map_err(|error| Error::new(format!("cannot read `cargo metadata`: {error}")))
}
