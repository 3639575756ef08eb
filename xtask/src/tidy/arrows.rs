//! Crates depend on each other only along these arrows: siblings never meet.

use std::path::Path;

use crate::metadata::{Dependency, Package};
use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

/// What a crate may know of the others.
#[derive(Clone, Copy)]
enum Knows {
    Only(&'static [&'static str]),
    /// Everything but the facade, which knows this one in turn.
    AllLibraries,
}

const METRICS: &str = "campanile-metrics";
const CORE: &str = "campanile-core";
const FACADE: &str = "campanile";

const ARROWS: &[(&str, Knows)] = &[
    (FACADE, Knows::AllLibraries),
    ("campanile-admin", Knows::Only(&["campanile-listen"])),
    ("campanile-backlog", Knows::Only(&[METRICS])),
    (CORE, Knows::Only(&[METRICS])),
    ("campanile-inbound", Knows::Only(&[CORE, METRICS])),
    ("campanile-lifecycle", Knows::Only(&[METRICS])),
    ("campanile-listen", Knows::Only(&[METRICS])),
    (METRICS, Knows::Only(&[])),
    ("campanile-outbound", Knows::Only(&[CORE, METRICS])),
    ("campanile-recorder", Knows::Only(&[])),
    ("campanile-server", Knows::AllLibraries),
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let root = &repository.metadata.workspace_root;
    repository
        .metadata
        .libraries()
        .flat_map(|package| check_package(package, root))
        .collect()
}

fn check_package(package: &Package, root: &Path) -> Vec<Finding> {
    let path = package.library_manifest();
    let Some((_, knows)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        return vec![Finding::error(
            path,
            format!("{} is not in the table of crates", package.name),
        )];
    };
    let siblings = package
        .dependencies
        .iter()
        .filter(|dependency| is_ours(dependency, root));
    siblings
        .filter(|sibling| sibling.name != package.name && !may_know(*knows, sibling))
        .map(|sibling| {
            let kind = sibling.kind.as_deref().unwrap_or("normal");
            let message = format!(
                "{} must not know {} ({kind} dependency)",
                package.name, sibling.name
            );
            Finding::error(path.clone(), message)
        })
        .collect()
}

fn is_ours(dependency: &Dependency, root: &Path) -> bool {
    dependency
        .path
        .as_ref()
        .is_some_and(|path| path.starts_with(root))
}

fn may_know(knows: Knows, sibling: &Dependency) -> bool {
    let library = ARROWS.iter().any(|(name, _)| *name == sibling.name);
    let arrow = match knows {
        Knows::Only(names) => names.contains(&sibling.name.as_str()),
        Knows::AllLibraries => library && sibling.name != FACADE,
    };
    // The vocabulary knows nobody, so tests that speak it tie no sibling to another.
    arrow || (sibling.kind.as_deref() == Some("dev") && sibling.name == CORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(package: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let mut repository = Repository::sample(&[]);
        let mut package = Package::sample(package);
        package.dependencies.push(Dependency {
            name: dependency.to_owned(),
            kind: kind.map(str::to_owned),
            path: Some(format!("/sample/crates/{dependency}").into()),
        });
        repository.metadata.packages.push(package);
        check(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sibling_is_red() {
        assert_eq!(
            findings("campanile-inbound", "campanile-outbound", None),
            ["error: crates/campanile-inbound/Cargo.toml: \
              campanile-inbound must not know campanile-outbound (normal dependency)"]
        );
        assert_eq!(
            findings("campanile-inbound", "campanile-outbound", Some("dev")).len(),
            1
        );
        assert_eq!(findings("campanile-inbound", "xtask", Some("dev")).len(), 1);
        assert_eq!(findings("campanile-server", "campanile", None).len(), 1);
    }

    #[test]
    fn the_table_is_green() {
        assert!(findings("campanile-inbound", "campanile-core", None).is_empty());
        assert!(findings("campanile-listen", "campanile-core", Some("dev")).is_empty());
        assert!(findings("campanile", "campanile-server", None).is_empty());
        assert!(findings("campanile-server", "campanile-admin", None).is_empty());
    }

    #[test]
    fn a_crate_outside_the_table_is_red() {
        assert_eq!(findings("campanile-extras", "campanile-core", None).len(), 1);
    }
}
