//! The list of commands. The help text is made of it, so nothing runs that is not listed.

use crate::error::Error;
use crate::step::{Cargo, Outcome};
use crate::{callgrind, ci, deny, drain, features, fuzz, metadata, tidy};

/// A command and the arguments it was given.
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
    /// What may follow the name; empty when nothing may.
    args: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<Outcome, Error>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        args: "",
        about: "what CI runs besides the tests",
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
        about: "every library without features, with each alone, with all",
        run: |_| features::run(),
    },
    Command {
        name: "deny",
        args: "",
        about: "licences and sources of dependencies",
        run: |_| deny::run(),
    },
    Command {
        name: "tidy",
        args: "",
        about: "house rules that a program can hold",
        run: |_| tidy::run(),
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
        about: "every fuzz target, a short while each",
        run: |args| fuzz::run(args.first().map(String::as_str)),
    },
    Command {
        name: "demo",
        args: "",
        about: "the demo, five seconds of it",
        run: |_| demo(),
    },
    Command {
        name: "torture",
        args: "[-- args]",
        about: "a million exchanges that end in every way, and must add up",
        run: torture,
    },
    Command {
        name: "drain",
        args: "[-- args]",
        about: "what clients lose when servers stop, campanile's beside six others",
        run: drain::run,
    },
    Command {
        name: "bench",
        args: "[filter]",
        about: "what each layer costs per request, beside its baseline",
        run: bench,
    },
    Command {
        name: "bench-admin",
        args: "[filter]",
        about: "what scrapes and open pages of the admin port cost, and do to the service beside them",
        run: bench_admin,
    },
    Command {
        name: "bench-recorder",
        args: "[filter]",
        about: "what the recorder costs per count, per scrape and in memory, beside others",
        run: bench_recorder,
    },
    Command {
        name: "callgrind",
        args: "[filter]",
        about: "instructions per request, held to their bounds",
        run: |args| callgrind::run(args.first().map(String::as_str)),
    },
];

/// Finds the command of that name and checks that it takes arguments if there are any.
pub(crate) fn find<'a>(name: &str, args: &'a [String]) -> Result<Call<'a>, Error> {
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(Error::new(format!("no command `{name}`\n\n{}", help())));
    };
    // Both `cargo xtask torture --short` and `cargo xtask torture -- --short` mean the same.
    let args = args.strip_prefix(&[String::from("--")]).unwrap_or(args);
    if command.args.is_empty() && !args.is_empty() {
        return Err(Error::new(format!("`{name}` takes no arguments")));
    }
    Ok(Call { command, args })
}

/// The help text.
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
    Cargo::new("clippy --workspace --all-targets --all-features -- -D warnings").run()
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
    // Other flags make other artefacts of every dependency: in the common directory they would push out
    // those of the ordinary build, and each would be built again at every change of mind.
    let target = metadata::read()?.target_directory.join("loom");
    Cargo::new("test -p campanile-core -p campanile-lifecycle -p campanile-recorder --release --lib loom")
        .with_env("RUSTFLAGS", "--cfg campanile_loom")
        .with_env("CARGO_TARGET_DIR", target.display().to_string())
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
    fn an_unknown_command_is_answered_with_the_list() {
        let error = find("tydi", &[]).unwrap_err().to_string();
        assert!(
            error.contains("no command `tydi`") && error.contains("tidy"),
            "{error}"
        );
    }

    #[test]
    fn arguments_are_refused_where_they_would_be_ignored() {
        assert!(find("lint", &words("--fix")).is_err());
    }

    #[test]
    fn a_leading_double_dash_is_not_passed_on() {
        let args = words("-- --short -- x");
        assert_eq!(find("torture", &args).unwrap().args, words("--short -- x"));
    }
    #[test]
    fn the_guide_for_contributors_lists_every_command() {
        let guide = include_str!("../../CONTRIBUTING.md");
        for Command { name, args, .. } in COMMANDS {
            let row = format!("| `{}` |", format!("{name} {args}").trim_end());
            assert!(guide.contains(&row), "no row {row}");
        }
    }
}
