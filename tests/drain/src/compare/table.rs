//! What the stops showed, as tables: a row for each peer, and how its clients lost what they lost.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::{compare::stop::Stopped, fate::Tally, load::Kind, peers::Peer};

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are two")]
pub enum Form {
    /// Aligned columns.
    Plain,
    /// Markdown's.
    Markdown,
}

/// All stops of one peer.
#[derive(Debug)]
pub struct Row {
    peer: Peer,
    version: String,
    seen: BTreeMap<Kind, Tally>,
    took: Vec<Duration>,
    /// What the stops of a running server showed, and those of a held one.
    running: Half,
    held: Half,
    ends: BTreeMap<String, u32>,
}

#[derive(Debug, Default)]
struct Half {
    lost: u64,
    waiting: Vec<u64>,
}

impl Half {
    fn add(&mut self, stopped: &Stopped) {
        self.lost += stopped.seen.values().map(Tally::all_lost).sum::<u64>();
        self.waiting.push(stopped.waiting);
    }

    fn lost_a_stop(&self) -> String {
        format!("{:.1}", self.lost as f64 / self.waiting.len().max(1) as f64)
    }

    fn queued(&self) -> String {
        median(&self.waiting).unwrap_or_default().to_string()
    }
}

impl Row {
    pub(super) fn new(peer: Peer, version: String) -> Self {
        Self {
            peer,
            version,
            seen: BTreeMap::new(),
            took: Vec::new(),
            running: Half::default(),
            held: Half::default(),
            ends: BTreeMap::new(),
        }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn add(&mut self, stopped: Stopped) {
        let half = if stopped.held {
            &mut self.held
        } else {
            &mut self.running
        };
        half.add(&stopped);
        for (kind, tally) in stopped.seen {
            *self.seen.entry(kind).or_default() += &tally;
        }
        self.took.push(stopped.took);
        let end = match stopped.status {
            None => "killed".to_owned(),
            Some(status) => match status.code() {
                Some(code) => code.to_string(),
                None => status.to_string(),
            },
        };
        *self.ends.entry(end).or_default() += 1;
    }

    pub(super) fn answered(&self) -> u64 {
        self.sum().answered
    }

    fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        for tally in self.seen.values() {
            sum += tally;
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
            sum.answered.to_string(),
            sum.refused.to_string(),
            sum.all_lost().to_string(),
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

    /// How its clients lost what they lost, a line for each kind of load that lost anything.
    fn losses(&self) -> impl Iterator<Item = Vec<String>> {
        self.seen.iter().flat_map(|(kind, tally)| {
            tally.lost.iter().map(|(loss, count)| {
                vec![
                    self.peer.name().to_owned(),
                    kind.name().to_owned(),
                    loss.to_string(),
                    count.to_string(),
                ]
            })
        })
    }

    /// Nothing lost, nothing left unsent, and an exit as it should be.
    fn is_clean(&self) -> bool {
        let sum = self.sum();
        sum.all_lost() == 0 && sum.unsent == 0 && self.ends.keys().all(|end| end == "0")
    }
}

/// What came of a comparison.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    missing: Vec<(Peer, String)>,
    /// How many answers a row needs to be worth anything.
    requests: u64,
}

impl Table {
    pub(super) fn new(rows: Vec<Row>, missing: Vec<(Peer, String)>, requests: u64) -> Self {
        Self {
            rows,
            missing,
            requests,
        }
    }

    /// Tells whether our own rows lost nothing.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        let mut ours = self.rows.iter().filter(|row| row.peer.is_ours());
        ours.all(|row| row.is_clean() && row.answered() >= self.requests)
    }

    /// Writes it.
    #[must_use]
    pub fn in_form(&self, form: Form) -> String {
        let mut rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
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
            form,
        );
        let losses: Vec<_> = self.rows.iter().flat_map(Row::losses).collect();
        if !losses.is_empty() {
            text.push('\n');
            text.push_str(&lines(&["lost by", "load", "how", "requests"], &losses, form));
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

/// Writes cells below their heads; numbers to the right.
fn lines(heads: &[&str], rows: &[Vec<String>], form: Form) -> String {
    let head: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell.parse::<f64>().is_ok())
    };
    let numbers: Vec<bool> = (0..heads.len()).map(is_number).collect();
    // A row that ends early says a sentence, which no column has to make room for.
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
        match form {
            Form::Plain => text.push_str(padded.join("  ").trim_end()),
            Form::Markdown => text.push_str(&format!("| {} |", padded.join(" | "))),
        }
        text.push('\n');
    };
    line(&head);
    if form == Form::Markdown {
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
    use crate::fate::{Fate, Loss};

    fn row(peer: Peer, fates: &[Fate], held: bool, status: Option<i32>) -> Row {
        let mut tally = Tally::default();
        fates.iter().for_each(|fate| tally.add(*fate));
        let mut row = Row::new(peer, "1.2.3".to_owned());
        row.add(Stopped {
            seen: BTreeMap::from([(Kind::New, tally)]),
            took: Duration::from_millis(7),
            waiting: 1500,
            held,
            status: status.map(|code| ExitStatus::from_raw(code << 8)),
        });
        row
    }

    const LOST: Fate = Fate::Lost(Loss::TimedOut);

    #[test]
    fn a_promise_is_about_our_own_rows() {
        let promised = |peer, fates: &[Fate], status, requests| {
            Table::new(vec![row(peer, fates, false, status)], Vec::new(), requests).is_as_promised()
        };
        assert!(promised(
            Peer::Campanile,
            &[Fate::Answered, Fate::Refused],
            Some(0),
            1
        ));
        assert!(promised(Peer::Axum, &[LOST], None, 0));
        assert!(!promised(Peer::Campanile, &[Fate::Answered, LOST], Some(0), 0));
        assert!(!promised(Peer::Campanile, &[Fate::Unsent], Some(0), 0));
        assert!(!promised(Peer::Campanile, &[Fate::Answered], Some(1), 0));
        assert!(!promised(Peer::Campanile, &[Fate::Answered], None, 0));
        assert!(!promised(Peer::Campanile, &[Fate::Answered], Some(0), 2));
    }

    #[test]
    fn a_table_has_a_row_for_each_peer_and_says_how_requests_were_lost() {
        let mut axum = row(Peer::Axum, &[Fate::Answered, LOST, LOST], true, Some(0));
        axum.add(Stopped {
            seen: BTreeMap::new(),
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

lost by      load    how     requests
axum::serve  h1 new  no end         2
";
        assert_eq!(table.in_form(Form::Plain), expected);
        let markdown = table.in_form(Form::Markdown);
        assert!(
            markdown.contains("| lost by     | load   | how    | requests |\n"),
            "{markdown}"
        );
        assert!(
            markdown.contains("| ----------- | ------ | ------ | -------: |\n"),
            "{markdown}"
        );
    }
}
