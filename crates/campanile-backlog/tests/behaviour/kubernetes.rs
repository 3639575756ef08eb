//! The Kubernetes examples are well-formed and use existing metrics.

use saphyr::{LoadableYamlNode, Yaml};

const FILES: [(&str, &str, &[&str]); 2] = [
    (
        "hpa.yaml",
        include_str!("../../examples/kubernetes/hpa.yaml"),
        &["HorizontalPodAutoscaler", "ConfigMap"],
    ),
    (
        "keda.yaml",
        include_str!("../../examples/kubernetes/keda.yaml"),
        &["ScaledObject"],
    ),
];

fn load<'a>(name: &str, text: &'a str) -> Vec<Yaml<'a>> {
    Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn examples_are_well_formed() {
    for (name, text, kinds) in FILES {
        let documents = load(name, text);
        let found: Vec<_> = documents
            .iter()
            .map(|document| document["kind"].as_str().unwrap())
            .collect();
        assert_eq!(found, kinds, "{name}");
        for document in &documents {
            assert!(
                document["apiVersion"].as_str().is_some(),
                "{name} lacks an apiVersion"
            );
            assert!(
                document["metadata"]["name"].as_str().is_some(),
                "{name} lacks a name"
            );
        }
    }
    // The embedded configuration is a string to the parser above.
    let hpa = load("hpa.yaml", FILES[0].1);
    let inner = load("config.yaml", hpa[1]["data"]["config.yaml"].as_str().unwrap());
    assert_eq!(inner[0]["rules"].as_vec().map(Vec::len), Some(2));
}

#[test]
fn examples_use_metrics_of_the_readme() {
    const README: &str = include_str!("../../README.md");
    for (name, text, _) in FILES {
        let words = text.split(|character: char| !(character.is_ascii_lowercase() || character == '_'));
        let metrics: Vec<_> = words
            .filter(|word| word.starts_with("listener_backlog_") || word.starts_with("saturation_"))
            .collect();
        assert!(!metrics.is_empty(), "{name} uses no metric");
        for metric in metrics {
            assert!(
                README.contains(&format!("| `{metric}` |")),
                "{name} uses {metric}"
            );
        }
    }
}
