//! The table at the end of `ci`: step, result, seconds.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::step::Outcome;

/// The results of the steps, in order.
#[derive(Debug, Default)]
pub(crate) struct Summary(Vec<Row>);

#[derive(Debug)]
struct Row {
    step: &'static str,
    result: Result<Outcome, Error>,
    took: Duration,
}

impl Summary {
    pub(crate) fn push(&mut self, step: &'static str, result: Result<Outcome, Error>, took: Duration) {
        self.0.push(Row { step, result, took });
    }

    pub(crate) fn failed(&self) -> Vec<&'static str> {
        self.0
            .iter()
            .filter(|row| row.result.is_err())
            .map(|row| row.step)
            .collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10}{:<9}{:>8}", "step", "result", "seconds")?;
        for Row { step, result, took } in &self.0 {
            let (word, why) = match result {
                Ok(Outcome::Done) => ("ok", String::new()),
                Ok(Outcome::Skipped(why)) => ("skipped", format!("  {why}")),
                Err(error) => ("FAILED", format!("  {error}")),
            };
            writeln!(f, "{step:<10}{word:<9}{:>8.1}{why}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_line_and_failures_are_listed() {
        let mut summary = Summary::default();
        summary.push("fmt", Ok(Outcome::Done), Duration::from_millis(1500));
        summary.push(
            "deny",
            Ok(Outcome::Skipped("not installed".into())),
            Duration::ZERO,
        );
        summary.push("tidy", Err(Error::new("2 errors")), Duration::from_secs(12));
        let expected = "\
step      result    seconds
fmt       ok            1.5
deny      skipped       0.0  not installed
tidy      FAILED       12.0  2 errors
";
        assert_eq!(summary.to_string(), expected);
        assert_eq!(summary.failed(), ["tidy"]);
    }
}
