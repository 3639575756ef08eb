//! Runs cargo, and prints the command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// The outcome of a command that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Skipped(String),
}

impl Outcome {
    /// Turns a skipped command into an error if nothing may be skipped.
    pub(crate) fn or_fail(self, skip_nothing: bool) -> Result<Self, Error> {
        match self {
            Self::Skipped(why) if skip_nothing => {
                Err(Error::new(format!("nothing may be skipped, but {why}")))
            }
            outcome => Ok(outcome),
        }
    }
}

/// Returns whether a missing tool is an error: under `CAMPANILE_SKIP_NOTHING`, as in the tests, and in CI.
pub(crate) fn skip_nothing() -> bool {
    std::env::var_os("CAMPANILE_SKIP_NOTHING").is_some()
        || std::env::var("CI").is_ok_and(|value| value == "true")
}

/// An invocation of cargo in the root of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Cargo {
    args: Vec<String>,
    envs: Vec<(&'static str, String)>,
}

impl Cargo {
    /// Makes an invocation; `args` are separated by blanks.
    pub(crate) fn new(args: &str) -> Self {
        Self {
            args: args.split_whitespace().map(str::to_owned).collect(),
            envs: Vec::new(),
        }
    }

    pub(crate) fn with_args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn with_env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.envs.push((name, value.into()));
        self
    }

    /// Prints the command line, and runs it with inherited output.
    pub(crate) fn run(&self) -> Result<Outcome, Error> {
        println!("$ {}", self.line());
        let status = self
            .command()
            .status()
            .map_err(|error| self.cannot_start(&error))?;
        if status.success() {
            Ok(Outcome::Done)
        } else {
            Err(Error::new(format!("`{}` failed ({status})", self.line())))
        }
    }

    /// Runs it, and returns its standard output.
    pub(crate) fn output(&self) -> Result<Vec<u8>, Error> {
        let output = self
            .command()
            .output()
            .map_err(|error| self.cannot_start(&error))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Err(Error::new(format!(
                "`{}` failed ({}): {}",
                self.line(),
                output.status,
                stderr.trim()
            )))
        }
    }

    fn command(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.args(&self.args).current_dir(root());
        // Cargo sets variables of the xtask package. Build scripts that watch them would run again at each change between
        // `cargo xtask x` and `cargo x`.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|it| it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }

    fn line(&self) -> String {
        let envs = self
            .envs
            .iter()
            .map(|(name, value)| format!("{name}={} ", quoted(value)));
        let args = self.args.iter().map(|arg| format!(" {}", quoted(arg)));
        envs.chain([String::from("cargo")]).chain(args).collect()
    }

    fn cannot_start(&self, error: &std::io::Error) -> Error {
        Error::new(format!("cannot start `{}`: {error}", self.line()))
    }
}

/// Returns the root of the workspace: above the manifest that cargo passes at run time, because several checkouts may share
/// a target directory.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest)
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_pasted_into_a_shell() {
        let cargo = Cargo::new("doc --no-deps")
            .with_env("RUSTDOCFLAGS", "-D warnings")
            .with_args(["a b"]);
        assert_eq!(
            cargo.line(),
            r#"RUSTDOCFLAGS="-D warnings" cargo doc --no-deps "a b""#
        );
    }

    #[test]
    fn a_skipped_command_is_an_error_only_if_nothing_may_be_skipped() {
        let skipped = || Outcome::Skipped("no tool is installed".to_owned());
        let error = skipped().or_fail(true).unwrap_err().to_string();
        assert_eq!(error, "nothing may be skipped, but no tool is installed");
        assert_eq!(skipped().or_fail(false).unwrap(), skipped());
        assert_eq!(Outcome::Done.or_fail(true).unwrap(), Outcome::Done);
    }

    #[test]
    fn a_failed_command_is_an_error_that_names_it() {
        let error = Cargo::new("no-such-command").output().unwrap_err().to_string();
        assert!(error.starts_with("`cargo no-such-command` failed"), "{error}");
    }
}
