//! Every Rust file begins with its documentation.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let undocumented = repository.rust_files().filter(|(_, text)| !begins_with_doc(text));
    undocumented
        .map(|(path, _)| Finding::error(path, "does not begin with `//!` or its README").at_line(1))
        .collect()
}

fn begins_with_doc(text: &str) -> bool {
    let mut lines = text.lines();
    // `#![` is an attribute, not a shebang.
    let first = lines.next().unwrap_or_default();
    let first = if first.starts_with("#!") && !first.starts_with("#![") {
        lines.next().unwrap_or_default()
    } else {
        first
    };
    // The root of a library may include its README.
    first.starts_with("//!") || first.starts_with("#![doc = include_str!(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_before_the_documentation_is_an_error() {
        let repository = Repository::sample(&[
            ("crates/a/src/lib.rs", "#![forbid(unsafe_code)]\n//! Late.\n"),
            ("examples/b/src/main.rs", ""),
            ("tests/c.rs", "// no doc\n"),
        ]);
        assert_eq!(check(&repository).len(), 3);
    }

    #[test]
    fn documentation_first_is_accepted() {
        let repository = Repository::sample(&[
            (
                "crates/a/src/lib.rs",
                "#![doc = include_str!(\"../README.md\")]\n",
            ),
            ("crates/a/src/body.rs", "//! Doc.\n"),
            ("xtask/b.rs", "#!/usr/bin/env cargo\n//! Doc.\n"),
        ]);
        assert!(check(&repository).is_empty());
    }
}
