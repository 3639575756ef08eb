//! The README contains two commands that other programs run verbatim.

use crate::tidy::finding::Finding;
use crate::tidy::repository::Repository;

const PATH: &str = "README.md";
const COMMANDS: &[&str] = &["cargo run --release -p campanile-demo", "cargo test --workspace"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let Some(text) = repository.text(PATH) else {
        return vec![Finding::error(PATH, "is missing")];
    };
    let missing = COMMANDS.iter().filter(|command| !text.contains(**command));
    missing
        .map(|command| Finding::error(PATH, format!("does not contain `{command}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_is_an_error() {
        let repository = Repository::sample(&[(PATH, "Run `cargo test --workspace`.\n")]);
        assert_eq!(check(&repository).len(), 1);
        assert_eq!(check(&Repository::sample(&[])).len(), 1);
    }

    #[test]
    fn both_commands_are_accepted() {
        let text = "```sh\ncargo run --release -p campanile-demo\ncargo test --workspace\n```\n";
        assert!(check(&Repository::sample(&[(PATH, text)])).is_empty());
    }
}
