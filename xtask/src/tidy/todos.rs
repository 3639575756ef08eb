//! A TODO names its issue.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.library_sources();
    sources
        .iter()
        .flat_map(|source| {
            let lines = source.text.lines().zip(1..);
            lines
                .filter(|(line, _)| has_todo_without_issue(line))
                .map(|(_, number)| Finding::error(source.path, "TODO without `(#number)`").at_line(number))
        })
        .collect()
}

fn has_todo_without_issue(line: &str) -> bool {
    line.split("TODO").skip(1).any(|after| {
        let number = after
            .strip_prefix("(#")
            .and_then(|after| after.split_once(')'))
            .map(|(number, _)| number);
        !number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check(&Repository::sample(&[("crates/a/src/lib.rs", text)])).len()
    }

    #[test]
    fn a_todo_without_an_issue_is_an_error() {
        assert_eq!(findings("// TODO: later\n// TODO(#) x\n// TODO(#12) TODO\n"), 3);
        assert_eq!(findings("// TODO(#12): later\n"), 0);
    }
}
