//! `unsafe` lives in two crates; the others forbid it.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

/// Socket options, memory-mapped cells. Here the workspace's `deny` holds, and the one
/// file that needs it says so.
const FENCED: &[&str] = &["campanile-backlog", "campanile-recorder"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.library_sources();
    let open = sources.iter().filter(|source| {
        source.path.ends_with("/src/lib.rs")
            && !FENCED.contains(&source.crate_name)
            && !source
                .code
                .iter()
                .any(|line| line.trim_end() == "#![forbid(unsafe_code)]")
    });
    open.map(|source| Finding::error(source.path, "lacks `#![forbid(unsafe_code)]`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Repository::sample(&[(path, text)])).len()
    }

    #[test]
    fn a_crate_outside_the_fence_that_does_not_forbid_is_red() {
        assert_eq!(findings("crates/campanile-core/src/lib.rs", "//! x\n"), 1);
        assert_eq!(
            findings(
                "crates/campanile-core/src/lib.rs",
                "//! x\n// #![forbid(unsafe_code)]\n"
            ),
            1
        );
    }

    #[test]
    fn forbidding_and_the_fence_are_green() {
        assert_eq!(
            findings(
                "crates/campanile-core/src/lib.rs",
                "//! x\n#![forbid(unsafe_code)]\n"
            ),
            0
        );
        assert_eq!(findings("crates/campanile-backlog/src/lib.rs", "//! x\n"), 0);
        assert_eq!(findings("crates/campanile-core/src/body.rs", "//! x\n"), 0);
    }
}
