//! Programs of others that judge the text of metrics: promtool, and the parsers of Prometheus' Python client; and how
//! such programs of Python are had.
//!
//! Where one is not to be had the test skips itself and says why, unless the environment has [`SKIP_NOTHING`].

#![allow(clippy::print_stdout, reason = "a test that skips itself says so")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use campanile_recorder::Format;

/// The environment variable under which to skip is to fail, as it is in CI.
pub const SKIP_NOTHING: &str = "CAMPANILE_SKIP_NOTHING";

/// The Python client, pinned: another version may have other complaints.
pub const PYTHON_CLIENT: &str = "prometheus_client==0.26.0";

/// Reads all of it, and tells the number of families, samples and exemplars.
const SCRIPT: &str = "
import sys
from prometheus_client.@parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
samples = [sample for family in families for sample in family.samples]
print(len(families), len(samples), sum(1 for sample in samples if sample.exemplar))
";

/// Says that a test skips itself.
///
/// # Panics
///
/// Under [`SKIP_NOTHING`].
pub fn skip(why: &str) {
    assert!(
        std::env::var_os(SKIP_NOTHING).is_none(),
        "{SKIP_NOTHING} is set, but {why}"
    );
    println!("skipped: {why}");
}

/// Has promtool check a text, of which it knows the classic format only.
///
/// # Panics
///
/// If it has anything to say.
pub fn promtool(text: &str) {
    match run(Command::new("promtool").args(["check", "metrics"]), text) {
        Ok(Output {
            status,
            stdout,
            stderr,
        }) => {
            let said = [stdout, stderr].concat();
            assert!(
                status.success() && said.is_empty(),
                "promtool says {} of\n{text}",
                said.escape_ascii()
            );
        }
        Err(error) => skip(&format!("promtool cannot be started: {error}")),
    }
}

/// What the Python parser found.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Families by their head lines.
    pub families: usize,
    /// Lines that are samples.
    pub samples: usize,
    /// Samples that have an exemplar.
    pub exemplars: usize,
}

/// Has the Python parser of a format read a text. It is installed under `folder` at first; nothing if it cannot be.
///
/// # Panics
///
/// If it complains.
pub fn python(text: &str, format: Format, folder: &str) -> Option<Parsed> {
    static CLIENT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let name = PYTHON_CLIENT.replace("==", "-");
    let client = match CLIENT.get_or_init(|| install(Path::new(folder), &name, &[PYTHON_CLIENT])) {
        Ok(client) => client,
        Err(why) => {
            skip(why);
            return None;
        }
    };
    let parser = match format {
        Format::OpenMetrics => "openmetrics.parser",
        _ => "parser",
    };
    let script = SCRIPT.replace("@parser", parser);
    let mut python = Command::new("python3");
    let output = match run(python.args(["-c", &script]).env("PYTHONPATH", client), text) {
        Ok(output) => output,
        Err(error) => {
            skip(&format!("python3 cannot be started: {error}"));
            return None;
        }
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{parser} says {complaint} of\n{text}");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut numbers = said
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("the script prints three");
    Some(Parsed {
        families: next(),
        samples: next(),
        exemplars: next(),
    })
}

/// Installs Python packages in `name` under `folder`, without what they need, unless a run before did.
///
/// # Errors
///
/// Says why they cannot be installed.
pub fn install(folder: &Path, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let done = folder.join(name);
    if done.exists() {
        return Ok(done);
    }
    // Under another name until it is whole, and a process of its own each.
    let partly = folder.join(format!("{name}-{}", std::process::id()));
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--retries=1",
        ])
        .args(packages)
        .args(["--target".as_ref(), partly.as_os_str()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pip cannot install {packages:?}: {}", why.trim()));
    }
    // Fails if another process was faster, which is as good.
    let _ = fs::rename(&partly, &done);
    Ok(done)
}

fn run(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("the pipe was asked for");
    // Who complains early does not read to the end; what counts is what it says.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output()
}
