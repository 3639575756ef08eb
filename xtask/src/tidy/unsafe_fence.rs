//! Only three crates may contain `unsafe`; the others forbid it.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

/// The crates with socket options, signal handlers and memory-mapped cells. There `unsafe` is denied by the workspace, and allowed by the one
/// file that needs it.
const FENCED: &[&str] = &["campanile-backlog", "campanile-lifecycle", "campanile-recorder"];

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
    fn a_crate_outside_the_fence_must_forbid_unsafe() {
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
    fn crates_that_forbid_unsafe_and_fenced_crates_are_accepted() {
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
