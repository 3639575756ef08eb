//! Tables of the results: a row per peer, and how its requests were lost.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::{compare::shutdown::ShutdownResult, load::LoadKind, peers::Peer, request_outcome::OutcomeCounts};

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are two")]
pub enum TableFormat {
    /// Aligned columns.
    Plain,
    /// Markdown.
    Markdown,
}

/// The shutdowns of one peer.
#[derive(Debug)]
pub struct PeerRow {
    peer: Peer,
    version: String,
    outcomes: BTreeMap<LoadKind, OutcomeCounts>,
    took: Vec<Duration>,
    /// The results of running servers and of suspended ones.
    running: VariantStats,
    held: VariantStats,
    ends: BTreeMap<String, u32>,
}

#[derive(Debug, Default)]
struct VariantStats {
    lost: u64,
    waiting: Vec<u64>,
}

impl VariantStats {
    fn add(&mut self, result: &ShutdownResult) {
        self.lost += result
            .outcomes
            .values()
            .map(OutcomeCounts::total_lost)
            .sum::<u64>();
        self.waiting.push(result.waiting);
    }

    fn lost_a_stop(&self) -> String {
        format!("{:.1}", self.lost as f64 / self.waiting.len().max(1) as f64)
    }

    fn queued(&self) -> String {
        median(&self.waiting).unwrap_or_default().to_string()
    }
}

impl PeerRow {
    pub(super) fn new(peer: Peer, version: String) -> Self {
        Self {
            peer,
            version,
            outcomes: BTreeMap::new(),
            took: Vec::new(),
            running: VariantStats::default(),
            held: VariantStats::default(),
            ends: BTreeMap::new(),
        }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn add(&mut self, result: ShutdownResult) {
        let stats = if result.held {
            &mut self.held
        } else {
            &mut self.running
        };
        stats.add(&result);
        for (kind, counts) in result.outcomes {
            *self.outcomes.entry(kind).or_default() += &counts;
        }
        self.took.push(result.took);
        let end = match result.status {
            None => "killed".to_owned(),
            Some(status) => match status.code() {
                Some(code) => code.to_string(),
                None => status.to_string(),
            },
        };
        *self.ends.entry(end).or_default() += 1;
    }

    pub(super) fn completed(&self) -> u64 {
        self.sum().completed
    }

    fn sum(&self) -> OutcomeCounts {
        let mut sum = OutcomeCounts::default();
        for counts in self.outcomes.values() {
            sum += counts;
        }
        sum
    }

    fn cells(&self) -> Vec<String> {
        let sum = self.sum();
        let stops = self.took.len();
        let ends = self.ends.iter().map(|(end, count)| match count {
            count if *count as usize == stops => end.clone(),
            count => format!("{end} ×{count}"),
        });
        vec![
            self.peer.name().to_owned(),
            self.version.clone(),
            stops.to_string(),
            sum.completed.to_string(),
            sum.refused.to_string(),
            sum.total_lost().to_string(),
            self.running.lost_a_stop(),
            self.held.lost_a_stop(),
            sum.above_goaway.to_string(),
            sum.idle_close.to_string(),
            self.running.queued(),
            self.held.queued(),
            median(&self.took).unwrap_or_default().as_millis().to_string(),
            ends.collect::<Vec<_>>().join(", "),
        ]
    }

    /// Returns a line for each kind of loss of each load.
    fn losses(&self) -> impl Iterator<Item = Vec<String>> {
        self.outcomes.iter().flat_map(|(kind, counts)| {
            counts.lost.iter().map(|(loss, count)| {
                vec![
                    self.peer.name().to_owned(),
                    kind.name().to_owned(),
                    loss.to_string(),
                    count.to_string(),
                ]
            })
        })
    }

    /// Returns whether no request was lost or unsent, and each exit code is zero.
    fn is_clean(&self) -> bool {
        let sum = self.sum();
        sum.total_lost() == 0 && sum.unsent == 0 && self.ends.keys().all(|end| end == "0")
    }
}

/// The result of a comparison.
#[derive(Debug)]
pub struct Table {
    rows: Vec<PeerRow>,
    missing: Vec<(Peer, String)>,
    /// The minimum number of responses of a valid row.
    requests: u64,
}

impl Table {
    pub(super) fn new(rows: Vec<PeerRow>, missing: Vec<(Peer, String)>, requests: u64) -> Self {
        Self {
            rows,
            missing,
            requests,
        }
    }

    /// Returns whether the rows of campanile lost no request.
    #[must_use]
    pub fn campanile_lost_nothing(&self) -> bool {
        let mut ours = self.rows.iter().filter(|row| row.peer.is_ours());
        ours.all(|row| row.is_clean() && row.completed() >= self.requests)
    }

    /// Formats the tables.
    #[must_use]
    pub fn with_format(&self, format: TableFormat) -> String {
        let mut rows: Vec<_> = self.rows.iter().map(PeerRow::cells).collect();
        for (peer, why) in &self.missing {
            rows.push(vec![peer.name().to_owned(), format!("not installed ({why})")]);
        }
        let mut text = lines(
            &[
                "server",
                "version",
                "stops",
                "ok",
                "refused",
                "lost",
                "per stop",
                "if held",
                "above GOAWAY",
                "idle close",
                "queue",
                "if held",
                "stop ms",
                "exit",
            ],
            &rows,
            format,
        );
        let losses: Vec<_> = self.rows.iter().flat_map(PeerRow::losses).collect();
        if !losses.is_empty() {
            text.push('\n');
            text.push_str(&lines(&["lost by", "load", "how", "requests"], &losses, format));
        }
        for row in &self.rows {
            let unsent = row.sum().unsent;
            if unsent > 0 {
                let _ = writeln!(
                    text,
                    "\n{}: {unsent} requests had no port or descriptor",
                    row.peer.name()
                );
            }
        }
        text
    }
}

fn median<T: Copy + Ord>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Formats cells below their headings, with numbers right-aligned.
fn lines(heads: &[&str], rows: &[Vec<String>], format: TableFormat) -> String {
    let head: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell.parse::<f64>().is_ok())
    };
    let numbers: Vec<bool> = (0..heads.len()).map(is_number).collect();
    // A short row is a message, which does not determine column widths.
    let whole = rows.iter().filter(|row| row.len() == heads.len());
    let all: Vec<_> = whole.chain([&head]).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            all.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&numbers)
            .zip(&widths)
            .map(|((cell, number), width)| {
                if *number {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        let padded: Vec<_> = padded.collect();
        match format {
            TableFormat::Plain => text.push_str(padded.join("  ").trim_end()),
            TableFormat::Markdown => text.push_str(&format!("| {} |", padded.join(" | "))),
        }
        text.push('\n');
    };
    line(&head);
    if format == TableFormat::Markdown {
        let rule = |(number, width): (&bool, &usize)| {
            let dashes = "-".repeat(*width - usize::from(*number));
            if *number { format!("{dashes}:") } else { dashes }
        };
        line(&numbers.iter().zip(&widths).map(rule).collect::<Vec<_>>());
    }
    rows.iter().for_each(|row| line(row));
    text
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    use super::*;
    use crate::request_outcome::{Loss, RequestOutcome};

    fn row(peer: Peer, outcomes: &[RequestOutcome], held: bool, status: Option<i32>) -> PeerRow {
        let mut counts = OutcomeCounts::default();
        outcomes.iter().for_each(|outcome| counts.add(*outcome));
        let mut row = PeerRow::new(peer, "1.2.3".to_owned());
        row.add(ShutdownResult {
            outcomes: BTreeMap::from([(LoadKind::New, counts)]),
            took: Duration::from_millis(7),
            waiting: 1500,
            held,
            status: status.map(|code| ExitStatus::from_raw(code << 8)),
        });
        row
    }

    const LOST: RequestOutcome = RequestOutcome::Lost(Loss::TimedOut);

    #[test]
    fn campanile_lost_nothing_considers_only_its_rows() {
        let passes = |peer, outcomes: &[RequestOutcome], status, requests| {
            Table::new(vec![row(peer, outcomes, false, status)], Vec::new(), requests)
                .campanile_lost_nothing()
        };
        assert!(passes(
            Peer::Campanile,
            &[RequestOutcome::Completed, RequestOutcome::Refused],
            Some(0),
            1
        ));
        assert!(passes(Peer::Axum, &[LOST], None, 0));
        assert!(!passes(
            Peer::Campanile,
            &[RequestOutcome::Completed, LOST],
            Some(0),
            0
        ));
        assert!(!passes(Peer::Campanile, &[RequestOutcome::Unsent], Some(0), 0));
        assert!(!passes(Peer::Campanile, &[RequestOutcome::Completed], Some(1), 0));
        assert!(!passes(Peer::Campanile, &[RequestOutcome::Completed], None, 0));
        assert!(!passes(Peer::Campanile, &[RequestOutcome::Completed], Some(0), 2));
    }

    #[test]
    fn a_table_has_a_row_per_peer_and_the_kinds_of_losses() {
        let mut axum = row(
            Peer::Axum,
            &[RequestOutcome::Completed, LOST, LOST],
            true,
            Some(0),
        );
        axum.add(ShutdownResult {
            outcomes: BTreeMap::new(),
            took: Duration::from_millis(9),
            waiting: 3,
            held: false,
            status: None,
        });
        let missing = vec![(Peer::Nginx, "no such file".to_owned())];
        let table = Table::new(vec![axum], missing, 0);
        let expected = "\
server       version  stops  ok  refused  lost  per stop  if held  above GOAWAY  idle close  queue  if held  stop ms  exit
axum::serve  1.2.3        2   1        0     2       0.0      2.0             0           0      3     1500        9  0 ×1, killed ×1
nginx        not installed (no such file)

lost by      load    how        requests
axum::serve  h1 new  timed out         2
";
        assert_eq!(table.with_format(TableFormat::Plain), expected);
        let markdown = table.with_format(TableFormat::Markdown);
        assert!(
            markdown.contains("| lost by     | load   | how       | requests |\n"),
            "{markdown}"
        );
        assert!(
            markdown.contains("| ----------- | ------ | --------- | -------: |\n"),
            "{markdown}"
        );
    }
}
