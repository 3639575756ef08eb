//! Instructions per request of the bench cases, counted by valgrind and compared with their bounds.

use std::collections::HashMap;
use std::process::Command;

use crate::error::Error;
use crate::step::{Cargo, Outcome};

/// A line of the list that the bench prints.
#[derive(Debug, PartialEq, Eq)]
struct BenchCase {
    name: String,
    baseline: String,
    /// The number of instructions by which it may exceed its baseline.
    bound: Option<u64>,
}

/// Counts the instructions of the cases whose names contain the filter, and of their baselines.
pub(crate) fn run(filter: Option<&str>) -> Result<Outcome, Error> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Outcome::Skipped("valgrind is not installed".to_owned()));
    }
    let program = build()?;
    let listed = text(Command::new(&program).arg("--list"))?;
    let (requests, cases) = parse_list(&listed)?;
    let mut counted = HashMap::new();
    let mut over_bound = Vec::new();
    println!(
        "{:<44} {:>9} {:>9} {:>9}",
        "instructions per request", "all", "over base", "bound"
    );
    for case in cases {
        if filter.is_some_and(|filter| !case.name.contains(filter)) {
            continue;
        }
        let base = count(&mut counted, &program, &case.baseline, requests)?;
        let all = count(&mut counted, &program, &case.name, requests)?;
        let over = all.saturating_sub(base);
        let bound = case.bound.map(|bound| bound.to_string()).unwrap_or_default();
        println!("{:<44} {all:>9} {over:>9} {bound:>9}", case.name);
        if case.bound.is_some_and(|bound| over > bound) {
            over_bound.push(case.name);
        }
    }
    if over_bound.is_empty() {
        Ok(Outcome::Done)
    } else {
        Err(Error::new(format!(
            "more instructions than the bound: {}",
            over_bound.join(", ")
        )))
    }
}

/// Builds the bench and returns its path.
fn build() -> Result<String, Error> {
    let cargo = Cargo::new(
        "bench -p campanile-tests --bench instructions --no-run --message-format=json-render-diagnostics",
    );
    let messages = String::from_utf8_lossy(&cargo.output()?).into_owned();
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "instructions")
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .ok_or_else(|| Error::new("cargo built no bench `instructions`"))
}

fn parse_list(text: &str) -> Result<(u64, Vec<BenchCase>), Error> {
    let invalid = || Error::new("the list of the bench is malformed");
    let (requests, cases) = text.split_once('\n').ok_or_else(invalid)?;
    let requests = requests.parse().map_err(|_| invalid())?;
    let cases = cases
        .lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let name = fields.next()?;
            let baseline = fields.next()?;
            let bound = fields.next().and_then(|bound| bound.parse().ok());
            Some(BenchCase {
                name,
                baseline,
                bound,
            })
        })
        .collect::<Option<_>>()
        .ok_or_else(invalid)?;
    Ok((requests, cases))
}

fn count(counted: &mut HashMap<String, u64>, program: &str, name: &str, requests: u64) -> Result<u64, Error> {
    if let Some(count) = counted.get(name) {
        return Ok(*count);
    }
    let output = text(Command::new("valgrind").args([
        "--tool=callgrind",
        "--toggle-collect=*measured_loop*",
        "--callgrind-out-file=/dev/null",
        program,
        "--case",
        name,
    ]))?;
    let count =
        collected(&output).ok_or_else(|| Error::new(format!("valgrind reported no count for {name}")))?;
    counted.insert(name.to_owned(), count / requests);
    Ok(count / requests)
}

/// Parses the line `Collected : N` of valgrind.
fn collected(output: &str) -> Option<u64> {
    let line = output.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Runs a program and returns its output.
fn text(command: &mut Command) -> Result<String, Error> {
    let output = command
        .output()
        .map_err(|error| Error::new(format!("cannot start {command:?}: {error}")))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(Error::new(format!(
            "{command:?} failed ({}): {text}",
            output.status
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_names_baselines_and_bounds() {
        let (requests, cases) = parse_list("1000\na b\ta\t12\na\ta\t\n").unwrap();
        assert_eq!(requests, 1000);
        assert_eq!(
            cases[0],
            BenchCase {
                name: "a b".into(),
                baseline: "a".into(),
                bound: Some(12)
            }
        );
        assert_eq!(cases[1].bound, None);
        assert!(parse_list("no number\n").is_err());
    }

    #[test]
    fn the_count_is_the_last_word_of_its_line() {
        assert_eq!(collected("==1== Events\n==1== Collected : 12345\n"), Some(12345));
        assert_eq!(collected("==1== nothing"), None);
    }
}
