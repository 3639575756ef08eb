//! A library file of more than 400 lines without tests may hold more than one type.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

const HINT: usize = 400;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.library_sources();
    sources
        .iter()
        .filter(|source| source.code.len() > HINT)
        .map(|source| {
            let lines = source.code.len();
            Finding::note(
                source.path,
                format!("{lines} lines without tests; does it hold more than one type?"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(shipped: usize, tests: usize) -> usize {
        let text = format!(
            "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "// line\n".repeat(shipped),
            "    // line\n".repeat(tests)
        );
        check(&Repository::sample(&[("crates/a/src/lib.rs", &text)])).len()
    }

    #[test]
    fn more_than_four_hundred_lines_are_noted() {
        assert_eq!(findings(401, 0), 1);
    }

    #[test]
    fn tests_do_not_count() {
        assert_eq!(findings(400, 500), 0);
    }
}
