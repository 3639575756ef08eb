//! Libraries leave spawning to the runner and the environment to its owner; a TODO names its issue.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;
use crate::tidy::source::Source;

/// The crate whose task is to spawn what the others only describe.
const RUNNER: &str = "campanile-server";

const BANNED: &[(&str, &str)] = &[
    ("tokio::spawn", "libraries do not spawn: hand out a future"),
    ("task::spawn(", "libraries do not spawn: hand out a future"),
    ("env::set_var", "the environment belongs to the program"),
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.library_sources();
    sources
        .iter()
        .flat_map(|source| banned(source).chain(todos(source)))
        .collect()
}

fn banned<'a>(source: &'a Source<'_>) -> impl Iterator<Item = Finding> + 'a {
    let may_spawn = source.crate_name == RUNNER || source.is_program();
    let rules = BANNED
        .iter()
        .filter(move |(word, _)| !(may_spawn && word.contains("spawn")));
    rules.flat_map(move |(word, why)| {
        let lines = source
            .code
            .iter()
            .zip(1..)
            .filter(move |(line, _)| line.contains(word));
        lines.map(move |(_, number)| Finding::error(source.path, format!("`{word}`: {why}")).at_line(number))
    })
}

fn todos<'a>(source: &'a Source<'_>) -> impl Iterator<Item = Finding> + 'a {
    let lines = source
        .text
        .lines()
        .zip(1..)
        .filter(|(line, _)| has_homeless_todo(line));
    lines.map(|(_, number)| Finding::error(source.path, "TODO without `(#number)`").at_line(number))
}

fn has_homeless_todo(line: &str) -> bool {
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

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Repository::sample(&[(path, text)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn spawning_and_setting_variables_are_red() {
        let text = "fn f() {\n    tokio::spawn(g());\n    std::env::set_var(\"A\", \"b\");\n}\n";
        assert_eq!(
            findings("crates/a/src/lib.rs", text),
            [
                "error: crates/a/src/lib.rs:2: `tokio::spawn`: libraries do not spawn: hand out a future",
                "error: crates/a/src/lib.rs:3: `env::set_var`: the environment belongs to the program",
            ]
        );
    }

    #[test]
    fn docs_and_tests_may_spawn() {
        let text = "//! tokio::spawn(monitor.run());\n#[cfg(test)]\nmod tests {\n    fn f() { tokio::spawn(g()); }\n}\n";
        assert!(findings("crates/a/src/lib.rs", text).is_empty());
    }

    #[test]
    fn the_runner_and_programs_may_spawn_but_not_set_variables() {
        let text = "fn f() { tokio::spawn(g()); env::set_var(a, b); }\n";
        assert_eq!(findings("crates/campanile-server/src/lib.rs", text).len(), 1);
        assert_eq!(findings("crates/a/src/bin/a.rs", text).len(), 1);
    }

    #[test]
    fn a_todo_without_a_number_is_red() {
        assert_eq!(
            findings(
                "crates/a/src/lib.rs",
                "// TODO: later\n// TODO(#) x\n// TODO(#12) TODO\n"
            )
            .len(),
            3
        );
        assert!(findings("crates/a/src/lib.rs", "// TODO(#12): later\n").is_empty());
    }
}
