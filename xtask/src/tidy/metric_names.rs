//! A metric name stands in one file of its crate, so that two places cannot come to disagree.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;
use crate::tidy::source::Source;

/// What begins so is a metric and nothing else.
const OWN: &[&str] = &[
    "http_server_",
    "http_client_",
    "rpc_server_",
    "rpc_client_",
    "listener_backlog_",
];
/// What begins so may also be a setting or a field; it is a metric if it ends like one or stands in `names.rs`.
const SHARED: &[&str] = &[
    "campanile_",
    "cgroup_",
    "lifecycle_",
    "listener_",
    "pressure_",
    "process_",
    "runtime_",
];
const ENDINGS: &[&str] = &[
    "_total",
    "_seconds",
    "_bytes",
    "_requests",
    "_connections",
    "_limit",
    "_pending",
    "_ratio",
    "_depth",
    "_fds",
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.library_sources();
    let listed: BTreeSet<(&str, &str)> = sources
        .iter()
        .filter(|source| source.path.ends_with("/names.rs"))
        .flat_map(|source| {
            source
                .literals
                .iter()
                .map(|literal| (source.crate_name, literal.text.as_str()))
        })
        .collect();
    let mut places: BTreeMap<(&str, &str), Vec<(&str, usize)>> = BTreeMap::new();
    for Source {
        path,
        crate_name,
        literals,
        ..
    } in &sources
    {
        for literal in literals {
            let key = (*crate_name, literal.text.as_str());
            if is_metric(&literal.text, listed.contains(&key)) {
                places.entry(key).or_default().push((path, literal.line));
            }
        }
    }
    places
        .iter()
        .flat_map(|((_, name), places)| strays(name, places))
        .collect()
}

/// All places but those in the file that has the best claim: `names.rs`, else the first.
fn strays(name: &str, places: &[(&str, usize)]) -> Vec<Finding> {
    let home = places
        .iter()
        .find(|(path, _)| path.ends_with("/names.rs"))
        .unwrap_or(&places[0])
        .0;
    let strays = places.iter().filter(|(path, _)| *path != home);
    strays
        .map(|(path, line)| Finding::error(*path, format!("`{name}` stands in {home}")).at_line(*line))
        .collect()
}

fn is_metric(literal: &str, listed: bool) -> bool {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| literal.starts_with(prefix));
    let ends = || ENDINGS.iter().any(|ending| literal.ends_with(ending));
    literal
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && (begins(OWN) || begins(SHARED) && (listed || ends()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Repository::sample(files))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_name_in_two_files_is_red() {
        let found = findings(&[
            (
                "crates/a/src/layer.rs",
                "//! x\nfn f() { counter!(\"http_server_requests_total\") }\n",
            ),
            (
                "crates/a/src/names.rs",
                "//! x\nconst A: &str = \"http_server_requests_total\";\n",
            ),
        ]);
        assert_eq!(
            found,
            ["error: crates/a/src/layer.rs:2: `http_server_requests_total` stands in crates/a/src/names.rs"]
        );
    }

    #[test]
    fn a_name_without_a_telling_end_is_red_if_it_is_listed() {
        let names = ("crates/a/src/names.rs", "const A: &str = \"lifecycle_phase\";");
        let layer = ("crates/a/src/layer.rs", "f(\"lifecycle_phase\")");
        assert_eq!(findings(&[names, layer]).len(), 1);
        assert!(findings(&[layer, ("crates/a/src/other.rs", layer.1)]).is_empty());
    }

    #[test]
    fn tests_docs_labels_and_other_crates_are_green() {
        let found = findings(&[
            (
                "crates/a/src/names.rs",
                "const A: &str = \"http_server_requests_total\";\nconst B: &str = \"http_route\";",
            ),
            (
                "crates/a/src/layer.rs",
                "/// \"http_server_requests_total\"\nfn f() { g(\"http_route\") }",
            ),
            (
                "crates/a/src/x.rs",
                "\n#[cfg(test)]\nmod tests {\n    const A: &str = \"http_server_requests_total\";\n}",
            ),
            ("crates/a/tests/golden.rs", "\"http_server_requests_total\""),
            ("crates/b/src/lib.rs", "\"http_server_requests_total\""),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
