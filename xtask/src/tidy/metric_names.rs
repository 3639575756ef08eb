//! A metric name is written in one file of its crate: the one with its descriptor.
//!
//! The names are those of `docs/metrics.json`, which is generated from the descriptors, and all literals with a prefix
//! that only metrics have.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;
use crate::tidy::source::Source;

const LIST: &str = "docs/metrics.json";

/// Prefixes that only metric names have.
const PREFIXES: &[&str] = &[
    "http_server_",
    "http_client_",
    "rpc_server_",
    "rpc_client_",
    "listener_backlog_",
];

#[derive(Deserialize)]
struct Metric {
    name: String,
}

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let listed: Vec<Metric> = match repository.text(LIST).map(serde_json::from_str) {
        Some(Ok(metrics)) => metrics,
        Some(Err(error)) => return vec![Finding::error(LIST, error.to_string())],
        None => return vec![Finding::error(LIST, "is missing; run `cargo xtask metrics`")],
    };
    let is_metric = |literal: &str| {
        let snake_case = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        literal.bytes().all(snake_case)
            && (PREFIXES.iter().any(|prefix| literal.starts_with(prefix))
                || listed.iter().any(|metric| metric.name == literal))
    };
    let mut places: BTreeMap<(&str, &str), Vec<(&str, usize)>> = BTreeMap::new();
    let sources = repository.library_sources();
    for Source {
        path,
        crate_name,
        literals,
        ..
    } in &sources
    {
        for literal in literals.iter().filter(|literal| is_metric(&literal.text)) {
            let place = (*path, literal.line);
            places
                .entry((*crate_name, &literal.text))
                .or_default()
                .push(place);
        }
    }
    places
        .iter()
        .flat_map(|((_, name), places)| repetitions(name, places))
        .collect()
}

/// Reports the places outside the file of the descriptors, or without one outside the first file.
fn repetitions(name: &str, places: &[(&str, usize)]) -> Vec<Finding> {
    let declares = |path: &str| path.ends_with("/metrics.rs") || path.ends_with("/names.rs");
    let (home, _) = places
        .iter()
        .find(|(path, _)| declares(path))
        .unwrap_or(&places[0]);
    let others = places.iter().filter(|(path, _)| path != home);
    others
        .map(|(path, line)| Finding::error(*path, format!("`{name}` is declared in {home}")).at_line(*line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let list = (LIST, r#"[{ "name": "lifecycle_phase" }]"#);
        check(&Repository::sample(&[&[list], files].concat()))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_name_in_two_files_is_an_error() {
        let found = findings(&[
            (
                "crates/a/src/layer.rs",
                "//! x\nfn f() { counter!(\"http_server_requests_total\") }\n",
            ),
            (
                "crates/a/src/metrics.rs",
                "//! x\nconst A: &str = \"http_server_requests_total\";\n",
            ),
        ]);
        assert_eq!(
            found,
            [
                "error: crates/a/src/layer.rs:2: `http_server_requests_total` is declared in crates/a/src/metrics.rs"
            ]
        );
    }

    #[test]
    fn a_listed_name_needs_no_prefix() {
        let metrics = ("crates/a/src/metrics.rs", "const A: &str = \"lifecycle_phase\";");
        let layer = ("crates/a/src/layer.rs", "f(\"lifecycle_phase\")");
        assert_eq!(findings(&[metrics, layer]).len(), 1);
    }

    #[test]
    fn a_missing_or_invalid_list_is_an_error() {
        assert_eq!(check(&Repository::sample(&[])).len(), 1);
        assert_eq!(check(&Repository::sample(&[(LIST, "{}")])).len(), 1);
    }

    #[test]
    fn tests_docs_labels_and_other_crates_are_ignored() {
        let found = findings(&[
            (
                "crates/a/src/metrics.rs",
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
