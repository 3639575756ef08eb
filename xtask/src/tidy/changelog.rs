//! The changelog has a line for each unreleased change, which names the crate.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

const PATH: &str = "CHANGELOG.md";
const HEADING: &str = "## [Unreleased]";

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let Some(text) = repository.text(PATH) else {
        return vec![Finding::error(PATH, "is missing")];
    };
    if !text.lines().any(is_heading) {
        return vec![Finding::error(PATH, format!("has no `{HEADING}` section"))];
    }
    let entries: Vec<_> = unreleased(text).collect();
    if !entries.iter().any(|(_, line)| line.starts_with("- ")) && !is_release(&repository.last_commit) {
        return vec![Finding::error(PATH, format!("has nothing under `{HEADING}`"))];
    }
    let crates: Vec<&str> = repository
        .metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let wrong = entries
        .into_iter()
        .filter(|(_, line)| !is_well_formed(line, &crates));
    wrong
        .map(|(line, _)| Finding::error(PATH, "begin with `- <crate>: ` or `- workspace: `").at_line(line))
        .collect()
}

fn is_heading(line: &str) -> bool {
    line.trim_end() == HEADING
}

/// Returns the non-blank lines of the section with their numbers.
fn unreleased(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let section = text
        .lines()
        .zip(1..)
        .skip_while(|(line, _)| !is_heading(line))
        .skip(1);
    let section = section.take_while(|(line, _)| !line.starts_with("## "));
    section
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| (number, line))
}

/// Returns whether a line is an entry, a heading of Keep a Changelog, a continuation, or a link.
fn is_well_formed(line: &str, crates: &[&str]) -> bool {
    if line.starts_with("### ") || line.starts_with("  ") || line.starts_with('[') {
        return true;
    }
    let subject = line
        .strip_prefix("- ")
        .and_then(|entry| entry.split_once(": "))
        .map(|(subject, _)| subject);
    subject.is_some_and(|subject| subject == "workspace" || crates.contains(&subject))
}

/// Returns whether the last commit was a release, which changes the changelog but no library.
fn is_release(changed: &[String]) -> bool {
    let library = |path: &String| path.starts_with("crates/") && path.contains("/src/");
    changed.iter().any(|path| path == PATH) && !changed.iter().any(library)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    fn findings(changelog: &str, changed: &[&str]) -> Vec<String> {
        let mut repository = Repository::sample(&[(PATH, changelog)]);
        repository.last_commit = changed.iter().map(|path| (*path).to_owned()).collect();
        repository
            .metadata
            .packages
            .push(Package::sample("campanile-core"));
        check(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_missing_section_is_an_error() {
        assert_eq!(check(&Repository::sample(&[])).len(), 1);
        assert_eq!(
            findings("# Changelog\n\n## [0.1.0]\n- workspace: x\n", &[]).len(),
            1
        );
    }

    #[test]
    fn an_empty_section_is_an_error_unless_the_commit_is_a_release() {
        let text = "## [Unreleased]\n\n## [0.1.0]\n- workspace: x\n";
        assert_eq!(findings(text, &[]).len(), 1);
        assert_eq!(
            findings(text, &[PATH, "crates/campanile-core/src/lib.rs"]).len(),
            1
        );
        assert!(findings(text, &[PATH, "Cargo.toml"]).is_empty());
    }

    #[test]
    fn a_line_without_a_crate_is_an_error() {
        let text = "## [Unreleased]\n\n- campanile-core: x\n- campanile-htpt: y\nprose\n- no crate\n";
        assert_eq!(
            findings(text, &[]),
            [4, 5, 6].map(|line| format!(
                "error: CHANGELOG.md:{line}: begin with `- <crate>: ` or `- workspace: `"
            ))
        );
    }

    #[test]
    fn keep_a_changelog_format_is_accepted() {
        let text = "# Changelog\n\nProse.\n\n## [Unreleased]\n\n### Added\n\n- campanile-core: x\n  and y\n\
                    - workspace: z\n\n## [0.1.0]\n- old prose\n\n[0.1.0]: https://example.org\n";
        assert!(findings(text, &[]).is_empty());
    }
}
