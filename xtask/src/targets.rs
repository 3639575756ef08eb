//! Checks that the libraries compile for other systems.

use std::process::Command;

use crate::error::Error;
use crate::metadata::Package;
use crate::step::{Cargo, Outcome};

/// Systems that the libraries compile for, without running their tests.
const TARGETS: [Target; 4] = [
    Target::unix("x86_64-unknown-freebsd"),
    Target::unix("aarch64-apple-darwin"),
    Target::unix("x86_64-apple-darwin"),
    Target::windows("x86_64-pc-windows-msvc"),
];
/// The features that need a C compiler for the target.
const NEEDS_C: [&str; 1] = ["tls"];
/// The libraries that compile only for Unix, and say so in one error.
const NEEDS_UNIX: [&str; 1] = ["campanile-server"];
/// The facade's features that enable one of them.
const FEATURES_OF_UNIX: [&str; 1] = ["server"];
/// A program that uses most of the libraries.
const PROGRAM: &str = "campanile-demo";

#[derive(Clone, Copy, Debug)]
struct Target {
    name: &'static str,
    is_unix: bool,
}

impl Target {
    const fn unix(name: &'static str) -> Self {
        Self { name, is_unix: true }
    }

    const fn windows(name: &'static str) -> Self {
        Self { name, is_unix: false }
    }
}

/// Checks all libraries for each target, and reports all failures.
///
/// A target that cannot be installed is left out with a printed reason, also where nothing else may be skipped: a machine
/// that reaches the registry need not reach rustup's server, and the hosted workflow checks these systems too.
pub(crate) fn run<'a>(libraries: impl Iterator<Item = &'a Package>) -> Result<Outcome, Error> {
    let libraries: Vec<&Package> = libraries.collect();
    let mut failed = Vec::new();
    for target in TARGETS {
        if let Err(why) = install(target.name) {
            println!("skipped: {why}");
            continue;
        }
        for package in &libraries {
            let needs_unix = NEEDS_UNIX.contains(&package.name.as_str());
            let result = match target.is_unix || !needs_unix {
                true => check(package, target).run().map(|_| ()),
                false => refuses(package, target),
            };
            if let Err(error) = result {
                failed.push(format!("{} for {}: {error}", package.name, target.name));
            }
        }
        if target.is_unix
            && Cargo::new("check -p")
                .with_args([PROGRAM, "--target", target.name])
                .run()
                .is_err()
        {
            failed.push(format!("{PROGRAM} for {}", target.name));
        }
    }
    if failed.is_empty() {
        Ok(Outcome::Done)
    } else {
        Err(Error::new(format!("does not compile: {}", failed.join("; "))))
    }
}

fn check(package: &Package, target: Target) -> Cargo {
    Cargo::new("check --no-default-features -p").with_args([
        package.name.as_str(),
        "--target",
        target.name,
        "--features",
        &features(package, target),
    ])
}

/// Returns all features of a package that a target supports.
fn features(package: &Package, target: Target) -> String {
    let supported = |feature: &&String| {
        let feature = feature.as_str();
        feature != "default"
            && !NEEDS_C.contains(&feature)
            && (target.is_unix || !FEATURES_OF_UNIX.contains(&feature))
    };
    let features: Vec<&str> = package
        .features
        .keys()
        .filter(supported)
        .map(String::as_str)
        .collect();
    features.join(",")
}

/// Checks that a library does not compile, with one error that says why.
fn refuses(package: &Package, target: Target) -> Result<(), Error> {
    let output = check(package, target).output();
    let Err(error) = output else {
        return Err(Error::new(
            "compiles, but is listed as a library for Unix".to_owned(),
        ));
    };
    single_refusal(&package.name, &error.to_string())
}

fn single_refusal(package: &str, stderr: &str) -> Result<(), Error> {
    let is_error = |line: &&str| line.contains("error: ") || line.contains("error[");
    let errors: Vec<&str> = stderr.lines().filter(is_error).collect();
    // The last one is cargo's summary.
    match &errors[..] {
        [first, last]
            if first.contains(&format!("error: {package} needs Unix"))
                && last.contains("could not compile") =>
        {
            Ok(())
        }
        _ => Err(Error::new(format!(
            "no single error that it needs Unix: {}",
            errors.join(", ")
        ))),
    }
}

/// Installs the standard library of a target by rustup, if it is missing.
fn install(target: &str) -> Result<(), String> {
    let rustup = |args: &[&str]| Command::new("rustup").args(args).output();
    let listed = rustup(&["target", "list", "--installed"]);
    let listed =
        listed.map_err(|error| format!("target {target} cannot be installed: no rustup: {error}"))?;
    if String::from_utf8_lossy(&listed.stdout)
        .lines()
        .any(|line| line == target)
    {
        return Ok(());
    }
    println!("$ rustup target add {target}");
    match rustup(&["target", "add", target]) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let reason = stderr.lines().last().unwrap_or("unknown error").trim().to_owned();
            Err(format!("target {target} cannot be installed: {reason}"))
        }
        Err(error) => Err(format!("target {target} cannot be installed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn features_are_all_that_the_target_supports() {
        let mut package = Package::sample("campanile");
        package.features = ["default", "server", "tls", "tonic"]
            .into_iter()
            .map(|feature| (feature.to_owned(), Vec::new()))
            .collect::<BTreeMap<_, _>>();
        assert_eq!(features(&package, Target::unix("x")), "server,tonic");
        assert_eq!(features(&package, Target::windows("x")), "tonic");
    }

    #[test]
    fn a_refusal_is_one_error_and_the_summary() {
        let refusal = "error: x needs Unix: signals\n 5 | / compile_error!(\n";
        let summary = "error: could not compile `x` (lib) due to 1 previous error\n";
        let import = "error[E0432]: unresolved import `campanile_listen::Listener`\n";
        assert!(single_refusal("x", &format!("{refusal}{summary}")).is_ok());
        assert!(single_refusal("x", &format!("{refusal}{import}{summary}")).is_err());
        assert!(single_refusal("x", summary).is_err());
    }

    #[test]
    fn a_target_that_rustup_does_not_know_is_not_installed() {
        let why = install("pdp11-unknown-unix").unwrap_err();
        assert!(
            why.starts_with("target pdp11-unknown-unix cannot be installed: "),
            "{why}"
        );
    }
}
