//! Crates depend on each other only along these arrows.

use std::path::Path;

use crate::metadata::{Dependency, Package};
use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

/// The crates on which a crate may depend.
#[derive(Clone, Copy)]
enum Allowed {
    Only(&'static [&'static str]),
    /// All libraries but the facade.
    AllLibraries,
}

const METRICS: &str = "campanile-metrics";
const CORE: &str = "campanile-core";
const FACADE: &str = "campanile";

const ARROWS: &[(&str, Allowed)] = &[
    (FACADE, Allowed::AllLibraries),
    ("campanile-admin", Allowed::Only(&["campanile-listen", METRICS])),
    ("campanile-backlog", Allowed::Only(&[METRICS])),
    (CORE, Allowed::Only(&[METRICS])),
    ("campanile-inbound", Allowed::Only(&[CORE, METRICS])),
    ("campanile-lifecycle", Allowed::Only(&[METRICS])),
    ("campanile-listen", Allowed::Only(&[METRICS])),
    (METRICS, Allowed::Only(&[])),
    ("campanile-outbound", Allowed::Only(&[CORE, METRICS])),
    ("campanile-recorder", Allowed::Only(&[METRICS])),
    ("campanile-server", Allowed::AllLibraries),
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
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
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
        .filter(|sibling| sibling.name != package.name && !may_depend_on(*allowed, sibling))
        .map(|sibling| {
            let kind = sibling.kind.as_deref().unwrap_or("normal");
            let message = format!(
                "{} must not depend on {} ({kind} dependency)",
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

fn may_depend_on(allowed: Allowed, sibling: &Dependency) -> bool {
    let library = ARROWS.iter().any(|(name, _)| *name == sibling.name);
    let arrow = match allowed {
        Allowed::Only(names) => names.contains(&sibling.name.as_str()),
        Allowed::AllLibraries => library && sibling.name != FACADE,
    };
    // Tests may use the types of the core, which depends on no sibling.
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
    fn a_dependency_on_a_sibling_is_an_error() {
        assert_eq!(
            findings("campanile-inbound", "campanile-outbound", None),
            ["error: crates/campanile-inbound/Cargo.toml: \
              campanile-inbound must not depend on campanile-outbound (normal dependency)"]
        );
        assert_eq!(
            findings("campanile-inbound", "campanile-outbound", Some("dev")).len(),
            1
        );
        assert_eq!(findings("campanile-inbound", "xtask", Some("dev")).len(), 1);
        assert_eq!(findings("campanile-server", "campanile", None).len(), 1);
    }

    #[test]
    fn dependencies_along_the_arrows_are_allowed() {
        assert!(findings("campanile-inbound", "campanile-core", None).is_empty());
        assert!(findings("campanile-listen", "campanile-core", Some("dev")).is_empty());
        assert!(findings("campanile", "campanile-server", None).is_empty());
        assert!(findings("campanile-server", "campanile-admin", None).is_empty());
    }

    #[test]
    fn the_table_names_existing_crates() {
        for (name, _) in ARROWS {
            let manifest = crate::step::root().join("crates").join(name).join("Cargo.toml");
            assert!(manifest.exists(), "{name}");
        }
    }

    #[test]
    fn a_crate_outside_the_table_is_an_error() {
        assert_eq!(findings("campanile-extras", "campanile-core", None).len(), 1);
    }
}
