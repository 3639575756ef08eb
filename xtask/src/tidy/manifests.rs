//! Published crates use the lints of the workspace, explain each feature, and have a description and a README.

use crate::metadata::Package;
use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let texts = repository.library_manifests().flat_map(|(path, text)| {
        let lints =
            (!inherits_lints(text)).then(|| Finding::error(path, "lacks `[lints]` with `workspace = true`"));
        lints.into_iter().chain(unexplained_features(path, text))
    });
    texts
        .chain(repository.metadata.libraries().flat_map(undescribed))
        .collect()
}

/// Returns the lines of a TOML table with their numbers, up to the next table.
pub(crate) fn section<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let heading = format!("[{name}]");
    let lines = text
        .lines()
        .zip(1..)
        .skip_while(move |(line, _)| line.trim_end() != heading)
        .skip(1);
    lines
        .take_while(|(line, _)| !line.starts_with('['))
        .map(|(line, number)| (number, line))
}

fn inherits_lints(manifest: &str) -> bool {
    section(manifest, "lints").any(|(_, line)| line.trim() == "workspace = true")
        || manifest
            .lines()
            .any(|line| line.trim() == "lints.workspace = true")
}

fn unexplained_features(path: &str, manifest: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut commented = false;
    for (number, line) in section(manifest, "features") {
        let feature = line.split_once('=').map(|(name, _)| name.trim_end());
        // Entries begin in the first column; continuations are indented.
        let feature = feature.filter(|name| !name.starts_with([' ', '\t', '#']) && *name != "default");
        if let Some(feature) = feature
            && !commented
            && !line.contains('#')
        {
            let message = format!("feature `{feature}` has no comment that explains it");
            found.push(Finding::error(path, message).at_line(number));
        }
        commented = line.trim_start().starts_with('#');
    }
    found
}

fn undescribed(package: &Package) -> Vec<Finding> {
    let path = package.library_manifest();
    let mut found = Vec::new();
    if package.description.as_deref().unwrap_or_default().is_empty() {
        found.push(Finding::warning(path.clone(), "has no description"));
    }
    if !package
        .readme
        .as_ref()
        .is_some_and(|readme| package.directory().join(readme).is_file())
    {
        found.push(Finding::warning(path, "has no README.md"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::finding::Severity;

    const PATH: &str = "crates/a/Cargo.toml";

    fn findings(manifest: &str) -> Vec<String> {
        check(&Repository::sample(&[(PATH, manifest)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_crate_without_the_lints_of_the_workspace_is_an_error() {
        assert_eq!(findings("[lints.rust]\nx = 1\n").len(), 1);
        assert_eq!(findings("[lints]\n[dependencies]\nworkspace = true\n").len(), 1);
        assert!(findings("[lints]\nworkspace = true\n").is_empty());
    }

    #[test]
    fn a_feature_without_a_comment_is_an_error() {
        let features =
            "[features]\ndefault = []\n# TLS.\ntls = []\njson = [ # JSON.\n    \"dep:x\",\n]\nbare = []\n";
        assert_eq!(
            findings(&format!("{features}\n[lints]\nworkspace = true\n")),
            ["error: crates/a/Cargo.toml:8: feature `bare` has no comment that explains it"]
        );
    }

    #[test]
    fn a_crate_without_description_and_readme_is_a_warning() {
        let found = undescribed(&Package::sample("a"));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning));
    }
}
