//! The files that the rules check, read once, so that each rule is a pure function.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::metadata::{self, Metadata};
use crate::tidy::source::Source;

const ROOT_FILES: [&str; 6] = [
    "ARCHITECTURE.md",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "README.md",
];
const FOLDERS: &[&str] = &["crates", "docs", "examples", "tests", "xtask"];

/// The files of the workspace, its metadata, and the paths that the last commit changed.
#[derive(Debug)]
pub(crate) struct Repository {
    files: BTreeMap<String, String>,
    pub(crate) metadata: Metadata,
    pub(crate) last_commit: Vec<String>,
}

impl Repository {
    pub(crate) fn read() -> Result<Self, Error> {
        let metadata = metadata::read()?;
        let root = &metadata.workspace_root;
        let mut files = BTreeMap::new();
        for name in ROOT_FILES {
            if root.join(name).exists() {
                insert(&mut files, root, &root.join(name))?;
            }
        }
        for folder in FOLDERS {
            if root.join(folder).exists() {
                walk(&mut files, root, &root.join(folder))?;
            }
        }
        let last_commit = last_commit(root);
        Ok(Self {
            files,
            metadata,
            last_commit,
        })
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All Rust files.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(|path| path.ends_with(".rs"))
    }

    /// All Markdown files.
    pub(crate) fn markdown_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(|path| path.ends_with(".md"))
    }

    /// The manifests of the published crates.
    pub(crate) fn library_manifests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(|path| {
            matches!(
                path.split('/').collect::<Vec<_>>()[..],
                ["crates", _, "Cargo.toml"]
            )
        })
    }

    /// The files under `crates/*/src` without test modules.
    pub(crate) fn library_sources(&self) -> Vec<Source<'_>> {
        let all: Vec<_> = self
            .rust_files()
            .filter_map(|(path, text)| Source::new(path, text))
            .collect();
        let tests: Vec<String> = all.iter().flat_map(Source::test_modules).collect();
        let is_test = |path: &str| {
            let module = path
                .strip_suffix("/mod.rs")
                .or_else(|| path.strip_suffix(".rs"))
                .unwrap_or(path);
            tests.iter().any(|test| Path::new(module).starts_with(test))
        };
        all.into_iter().filter(|source| !is_test(source.path)).collect()
    }

    fn named(&self, matches: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(move |(path, _)| matches(path))
    }

    #[cfg(test)]
    pub(crate) fn sample(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
            metadata: Metadata {
                packages: Vec::new(),
                target_directory: "/sample/target".into(),
                workspace_root: "/sample".into(),
            },
            last_commit: Vec::new(),
        }
    }
}

fn walk(files: &mut BTreeMap<String, String>, root: &Path, folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                walk(files, root, &path)?;
            }
        } else if name == "Cargo.toml"
            || [".rs", ".md", "metrics.json"]
                .iter()
                .any(|end| name.ends_with(end))
        {
            insert(files, root, &path)?;
        }
    }
    Ok(())
}

fn insert(files: &mut BTreeMap<String, String>, root: &Path, path: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let name = path
        .strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/");
    files.insert(name, text);
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("cannot read {}: {error}", path.display()))
}

/// Returns the paths that the last commit changed; none without a history.
fn last_commit(root: &Path) -> Vec<String> {
    let git = Command::new("git")
        .args(["diff", "--name-only", "HEAD~1..HEAD"])
        .current_dir(root)
        .output();
    match git {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_module_is_not_a_library_source() {
        let repository = Repository::sample(&[
            (
                "crates/campanile-core/src/lib.rs",
                "//! x\nmod body;\n#[cfg(test)]\nmod props;\n",
            ),
            ("crates/campanile-core/src/props.rs", "//! x\n"),
            (
                "crates/campanile-core/src/body/mod.rs",
                "//! x\n#[cfg(all(test, loom))]\nmod loom;\n",
            ),
            ("crates/campanile-core/src/body/loom/mod.rs", "//! x\n"),
            ("crates/campanile-core/src/property.rs", "//! x\n"),
            ("crates/campanile-core/tests/body.rs", "//! x\n"),
        ]);
        let sources = repository.library_sources();
        let paths: Vec<_> = sources.iter().map(|source| source.path).collect();
        assert_eq!(
            paths,
            [
                "crates/campanile-core/src/body/mod.rs",
                "crates/campanile-core/src/lib.rs",
                "crates/campanile-core/src/property.rs",
            ]
        );
    }
}
