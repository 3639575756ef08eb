//! A library file beyond 250 lines wants to be a folder; beyond 400 it has to be.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

const WARN: usize = 250;
const FAIL: usize = 400;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.library_sources();
    sources
        .iter()
        .filter_map(|source| judge(source.path, source.code.len()))
        .collect()
}

fn judge(path: &str, lines: usize) -> Option<Finding> {
    if lines > FAIL {
        Some(Finding::error(
            path,
            format!("{lines} lines without tests; at most {FAIL}"),
        ))
    } else if lines > WARN {
        Some(Finding::warning(
            path,
            format!("{lines} lines without tests; over {WARN} make it a folder"),
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::finding::Severity;

    fn severities(shipped: usize, tests: usize) -> Vec<Severity> {
        let text = format!(
            "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "// line\n".repeat(shipped),
            "    // line\n".repeat(tests)
        );
        let repository = Repository::sample(&[("crates/a/src/lib.rs", &text)]);
        check(&repository)
            .iter()
            .map(|finding| finding.severity)
            .collect()
    }

    #[test]
    fn over_four_hundred_lines_is_red() {
        assert_eq!(severities(401, 0), [Severity::Error]);
    }

    #[test]
    fn over_two_hundred_and_fifty_is_a_warning() {
        assert_eq!(severities(251, 0), [Severity::Warning]);
        assert_eq!(severities(400, 0), [Severity::Warning]);
    }

    #[test]
    fn tests_do_not_count() {
        assert!(severities(250, 500).is_empty());
    }
}
