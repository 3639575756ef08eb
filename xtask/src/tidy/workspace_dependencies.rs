//! Dependency versions are in one sorted list, without default features.

use crate::tidy::finding::Finding;
use crate::tidy::manifests::section;
use crate::tidy::repository::Repository;

const PATH: &str = "Cargo.toml";

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let text = repository.text(PATH).unwrap_or_default();
    let lines: Vec<(usize, &str)> = section(text, "workspace.dependencies").collect();
    let tables = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| line.starts_with("[workspace.dependencies."));
    let tables = tables.map(|(_, line)| Finding::error(PATH, "write the entry as one line").at_line(line));
    unsorted(&lines)
        .into_iter()
        .chain(with_default_features(&lines))
        .chain(tables)
        .collect()
}

/// Each block between blank lines must be sorted.
fn unsorted(lines: &[(usize, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut last = "";
    for (number, line) in lines {
        if line.trim().is_empty() {
            last = "";
        }
        let Some(name) = name(line) else { continue };
        if name < last {
            found.push(Finding::error(PATH, format!("`{name}` belongs before `{last}`")).at_line(*number));
        }
        last = name;
    }
    found
}

/// External dependencies have `default-features = false`, or a comment with the reason.
fn with_default_features(lines: &[(usize, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut commented = false;
    let mut rest = lines.iter().peekable();
    while let Some((number, line)) = rest.next() {
        let Some(name) = name(line) else {
            commented = line.trim_start().starts_with('#');
            continue;
        };
        // An entry with many features spans several lines.
        let mut entry = (*line).to_owned();
        while let Some((_, more)) = rest.next_if(|(_, line)| is_continuation(line)) {
            entry.push_str(more);
        }
        let ours = entry.contains("path = ");
        if !ours && !entry.contains("default-features = false") && !commented && !entry.contains('#') {
            let message = format!("`{name}` lacks `default-features = false`, or a comment with the reason");
            found.push(Finding::error(PATH, message).at_line(*number));
        }
        commented = false;
    }
    found
}

fn name(line: &str) -> Option<&str> {
    let starts = line.starts_with(|first: char| first.is_ascii_alphanumeric());
    line.split(['=', '.'])
        .next()
        .map(str::trim)
        .filter(|_| starts && line.contains('='))
}

fn is_continuation(line: &str) -> bool {
    line.starts_with([' ', '\t', ']', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(entries: &str) -> Vec<String> {
        let text = format!(
            "[workspace]\nx = 1\n\n[workspace.dependencies]\n{entries}\n[profile.release]\nlto = true\n"
        );
        check(&Repository::sample(&[(PATH, &text)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_entry_out_of_order_is_an_error() {
        let found =
            findings("http = { version = \"1\", default-features = false }\nbytes = { path = \"b\" }\n");
        assert_eq!(found, ["error: Cargo.toml:6: `bytes` belongs before `http`"]);
    }

    #[test]
    fn blocks_are_sorted_separately() {
        assert!(findings("http = { path = \"h\" }\n\nbytes = { path = \"b\" }\n").is_empty());
    }

    #[test]
    fn default_features_without_a_reason_are_an_error() {
        assert_eq!(findings("bytes = \"1\"\n").len(), 1);
        assert_eq!(
            findings("# Why.\nbytes = \"1\"\nhttp = { version = \"1\" }\n").len(),
            1
        );
        assert_eq!(
            findings("bytes = { version = \"1\", features = [\n    \"std\",\n] }\n").len(),
            1
        );
        assert_eq!(
            findings("\n[workspace.dependencies.bytes]\nversion = \"1\"\n").len(),
            1
        );
    }

    #[test]
    fn a_reason_or_no_default_features_is_accepted() {
        assert!(findings("# Why.\nbytes = \"1\"\nhttp = \"1\" # why\n").is_empty());
        assert!(
            findings("bytes = { version = \"1\", default-features = false, features = [\n    \"a\",\n] }\n")
                .is_empty()
        );
    }
}
