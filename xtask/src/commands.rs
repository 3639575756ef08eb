//! The list of commands, from which the help text is made.

use crate::error::Error;
use crate::step::{Cargo, Outcome};
use crate::{callgrind, ci, features, fuzz, metadata, tidy};

/// A command and its arguments.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    command: &'static Command,
    args: &'a [String],
}

impl Call<'_> {
    pub(crate) fn run(&self) -> Result<Outcome, Error> {
        (self.command.run)(self.args)
    }
}

#[derive(Debug)]
struct Command {
    name: &'static str,
    /// The arguments in the help text; empty if there are none.
    args: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<Outcome, Error>,
}

/// The only library that may spawn tasks, and the facade, which depends on it.
const SPAWNING_LIBRARIES: [&str; 2] = ["campanile-server", "campanile"];

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        args: "",
        about: "all checks of CI but the tests",
        run: |_| ci::run(),
    },
    Command {
        name: "fmt",
        args: "[--check]",
        about: "format the workspace",
        run: fmt,
    },
    Command {
        name: "lint",
        args: "",
        about: "clippy on everything, warnings denied",
        run: |_| lint(),
    },
    Command {
        name: "test",
        args: "[args]",
        about: "all tests",
        run: test,
    },
    Command {
        name: "doc",
        args: "",
        about: "documentation, warnings denied",
        run: |_| doc(),
    },
    Command {
        name: "features",
        args: "",
        about: "every library without features, with each alone, with all, and for other systems",
        run: |_| features::run(),
    },
    Command {
        name: "deny",
        args: "",
        about: "licences and sources of dependencies",
        run: |_| deny(),
    },
    Command {
        name: "tidy",
        args: "",
        about: "house rules",
        run: |_| tidy::run(),
    },
    Command {
        name: "metrics",
        args: "",
        about: "write docs/metrics.json, the list of all metrics",
        run: |_| metrics(),
    },
    Command {
        name: "loom",
        args: "",
        about: "loom tests of campanile-core, campanile-lifecycle and campanile-recorder",
        run: |_| loom(),
    },
    Command {
        name: "fuzz",
        args: "[seconds]",
        about: "every fuzz target for a short time",
        run: |args| fuzz::run(args.first().map(String::as_str)),
    },
    Command {
        name: "demo",
        args: "",
        about: "the demo for five seconds",
        run: |_| demo(),
    },
    Command {
        name: "torture",
        args: "[-- args]",
        about: "a million exchanges with every outcome, whose totals must agree",
        run: torture,
    },
    Command {
        name: "drain",
        args: "[-- args]",
        about: "lost requests at shutdown, of campanile and six other servers",
        run: drain,
    },
    Command {
        name: "siege",
        args: "[-- args]",
        about: "hostile clients of all kinds beside good ones, of which none may fail",
        run: siege,
    },
    Command {
        name: "bench",
        args: "[filter]",
        about: "the cost of each layer per request",
        run: bench,
    },
    Command {
        name: "bench-admin",
        args: "[filter]",
        about: "the cost of scrapes and open pages of the admin port",
        run: bench_admin,
    },
    Command {
        name: "bench-recorder",
        args: "[filter]",
        about: "the cost of the recorder, compared with others",
        run: bench_recorder,
    },
    Command {
        name: "callgrind",
        args: "[filter]",
        about: "instructions per request, compared with their bounds",
        run: |args| callgrind::run(args.first().map(String::as_str)),
    },
];

/// Finds a command, and rejects arguments that it does not take.
pub(crate) fn find<'a>(name: &str, args: &'a [String]) -> Result<Call<'a>, Error> {
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(Error::new(format!("no command `{name}`\n\n{}", help())));
    };
    // `cargo xtask torture --short` and `cargo xtask torture -- --short` are equivalent.
    let args = args.strip_prefix(&[String::from("--")]).unwrap_or(args);
    if command.args.is_empty() && !args.is_empty() {
        return Err(Error::new(format!("`{name}` takes no arguments")));
    }
    Ok(Call { command, args })
}

/// Returns the help text.
pub(crate) fn help() -> String {
    let mut text = String::from("cargo xtask <command>\n\n");
    for Command {
        name, args, about, ..
    } in COMMANDS
    {
        let left = format!("{name} {args}");
        text.push_str(&format!("  {left:<26}{about}\n"));
    }
    text
}

pub(crate) fn fmt_check() -> Result<Outcome, Error> {
    Cargo::new("fmt --all --check").run()
}

pub(crate) fn lint() -> Result<Outcome, Error> {
    Cargo::new("clippy --workspace --all-targets --all-features -- -D warnings").run()?;
    // Only libraries must not spawn; in their tests, in programs and in the server, `disallowed_methods` is allowed.
    let libraries = metadata::read()?;
    let libraries = libraries
        .libraries()
        .filter(|package| !SPAWNING_LIBRARIES.contains(&package.name.as_str()));
    Cargo::new("clippy --lib --all-features")
        .with_args(libraries.flat_map(|package| ["-p", &package.name]))
        .with_args(["--", "-D", "warnings", "-D", "clippy::disallowed_methods"])
        .run()
}

pub(crate) fn doc() -> Result<Outcome, Error> {
    Cargo::new("doc --workspace --no-deps --all-features")
        .with_env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

pub(crate) fn demo() -> Result<Outcome, Error> {
    Cargo::new("run --release -p campanile-demo -- --seconds 5").run()
}

pub(crate) fn loom() -> Result<Outcome, Error> {
    // Other flags rebuild every dependency, so they need a target directory of their own.
    let target = metadata::read()?.target_directory.join("loom");
    Cargo::new("test -p campanile-core -p campanile-lifecycle -p campanile-recorder --release --lib loom")
        .with_env("RUSTFLAGS", "--cfg campanile_loom")
        .with_env("CARGO_TARGET_DIR", target.display().to_string())
        .run()
}

/// Checks licences, bans and sources of dependencies; skipped if cargo-deny is not installed.
///
/// A separate CI job checks advisories, because they change without a change of this repository.
pub(crate) fn deny() -> Result<Outcome, Error> {
    if Cargo::new("deny --version").output().is_err() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed (`cargo install cargo-deny --locked`)".to_owned(),
        ));
    }
    Cargo::new("deny check licenses bans sources").run()
}

/// Writes `docs/metrics.json` from the descriptors of the crates: a test of `campanile-tests`, which links them, compares
/// the file, and overwrites it on request.
fn metrics() -> Result<Outcome, Error> {
    Cargo::new("test -p campanile-tests --test it -- --exact metrics_json::list_of_metrics_is_current")
        .with_env("UPDATE_GOLDEN", "1")
        .run()
}

/// Compares the shutdown of servers under load; nginx and haproxy are included if they are installed.
fn drain(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("run --release -p campanile-drain --")
        .with_args(args)
        .run()
}

/// Besieges campanile and `axum::serve`.
fn siege(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("run --release -p campanile-siege --")
        .with_args(args)
        .run()
}

fn fmt(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("fmt --all").with_args(args).run()
}

fn test(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("test --workspace").with_args(args).run()
}

fn torture(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("run --release -p campanile-tests --bin torture --")
        .with_args(args)
        .run()
}

fn bench(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("bench -p campanile-tests --bench layers --")
        .with_args(args)
        .run()
}

fn bench_admin(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("bench -p campanile-tests --bench admin --")
        .with_args(args)
        .run()
}

fn bench_recorder(args: &[String]) -> Result<Outcome, Error> {
    Cargo::new("bench -p campanile-tests --bench recorder --")
        .with_args(args)
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unknown_command_prints_the_list() {
        let error = find("tydi", &[]).unwrap_err().to_string();
        assert!(
            error.contains("no command `tydi`") && error.contains("tidy"),
            "{error}"
        );
    }

    #[test]
    fn unused_arguments_are_an_error() {
        assert!(find("lint", &words("--fix")).is_err());
    }

    #[test]
    fn a_leading_double_dash_is_not_passed_on() {
        let args = words("-- --short -- x");
        assert_eq!(find("torture", &args).unwrap().args, words("--short -- x"));
    }

    #[test]
    fn the_contributing_guide_lists_every_command() {
        let guide = include_str!("../../CONTRIBUTING.md");
        for Command { name, args, .. } in COMMANDS {
            let row = format!("| `{}` |", format!("{name} {args}").trim_end());
            assert!(guide.contains(&row), "no row {row}");
        }
    }
}
