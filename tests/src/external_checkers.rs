//! External checkers of metrics text: promtool, and the parsers of the Python client of Prometheus.
//!
//! A test whose checker is not available is skipped with a message, and fails under [`SKIP_NOTHING`].

#![allow(clippy::print_stdout, reason = "reports skipped tests")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use campanile_recorder::Format;

/// The environment variable that makes skipped tests fail, as CI sets it.
pub const SKIP_NOTHING: &str = "CAMPANILE_SKIP_NOTHING";

/// The Python client, pinned because other versions may report other errors.
pub const PYTHON_CLIENT: &str = "prometheus_client==0.26.0";

/// Parses standard input, and prints the number of families, samples and exemplars.
const SCRIPT: &str = "
import sys
from prometheus_client.@parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
samples = [sample for family in families for sample in family.samples]
print(len(families), len(samples), sum(1 for sample in samples if sample.exemplar))
";

/// Reports that a test is skipped.
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

/// Checks a text in the classic format with promtool.
///
/// # Panics
///
/// If promtool prints anything.
pub fn promtool(text: &str) {
    match run(Command::new("promtool").args(["check", "metrics"]), text) {
        Ok(Output {
            status,
            stdout,
            stderr,
        }) => {
            let report = [stdout, stderr].concat();
            assert!(
                status.success() && report.is_empty(),
                "promtool reports {} for\n{text}",
                report.escape_ascii()
            );
        }
        Err(error) => skip(&format!("promtool cannot be started: {error}")),
    }
}

/// The counts that the Python parser reports.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Metric families.
    pub families: usize,
    /// Samples.
    pub samples: usize,
    /// Samples with an exemplar.
    pub exemplars: usize,
}

/// Parses a text with the Python parser of its format. The first call installs the parser under `folder`; returns `None` if
/// that fails.
///
/// # Panics
///
/// If the parser reports an error.
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
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{parser} reports {errors} for\n{text}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut numbers = stdout
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("the script prints three");
    Some(Parsed {
        families: next(),
        samples: next(),
        exemplars: next(),
    })
}

/// Installs Python packages without their dependencies into `folder/name`, unless an earlier run did.
///
/// # Errors
///
/// The reason, if pip fails.
pub fn install(folder: &Path, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let done = folder.join(name);
    if done.exists() {
        return Ok(done);
    }
    // Each process installs under a name of its own and renames the complete directory.
    let partial = folder.join(format!("{name}-{}", std::process::id()));
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
        .args(["--target".as_ref(), partial.as_os_str()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pip cannot install {packages:?}: {}", why.trim()));
    }
    // Fails if another process was faster, which does no harm.
    let _ = fs::rename(&partial, &done);
    Ok(done)
}

fn run(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A checker that fails early may not read its whole input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output()
}
