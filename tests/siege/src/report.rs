//! What a siege has shown, and which of it must not be.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    attacks::STILL_OPEN,
    good::Served,
    process::{End, Usage},
    serve::ServerKind,
};

/// Memory that the allocator may retain.
const RETAINED_KIB: u64 = 64 * 1024;
/// Descriptors that a server may have opened once.
const RETAINED_DESCRIPTORS: usize = 8;
/// Lines per second, and those of starts and shutdowns.
const LOG_LINES: (u64, u64) = (20, 400);
/// Series of the metrics text: those of known names only.
const SERIES: u64 = 5000;

/// The result of a siege.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    kind: ServerKind,
    duration: Duration,
    /// Endings by attack.
    pub endings: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Good clients by kind.
    pub good: BTreeMap<&'static str, Served>,
    /// The first process, warm and without clients.
    pub before: Usage,
    /// The largest of any process.
    pub peak: Usage,
    /// The last process, without clients again.
    pub after: Usage,
    /// Lines of the metrics text with a gauge that must be zero.
    pub nonzero_gauges: Vec<String>,
    /// Other lines worth a look.
    pub notable: Vec<String>,
    /// Series of the metrics text.
    pub series: u64,
    /// Shutdowns with a successor.
    pub restarts: u64,
    /// Freezes.
    pub freezes: u64,
    ends: BTreeMap<String, u64>,
    bad_ends: u64,
    log_lines: u64,
    log_bytes: u64,
    /// Lines of dependencies, whose number campanile cannot limit.
    foreign_lines: u64,
    /// Lines without a time: forged by a client, or of a panic.
    odd_lines: u64,
    /// Log messages by count.
    messages: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn new(kind: ServerKind, duration: Duration) -> Self {
        Self {
            kind,
            duration,
            endings: BTreeMap::new(),
            good: BTreeMap::new(),
            before: Usage::default(),
            peak: Usage::default(),
            after: Usage::default(),
            nonzero_gauges: Vec::new(),
            notable: Vec::new(),
            series: 0,
            restarts: 0,
            freezes: 0,
            ends: BTreeMap::new(),
            bad_ends: 0,
            log_lines: 0,
            log_bytes: 0,
            foreign_lines: 0,
            odd_lines: 0,
            messages: BTreeMap::new(),
        }
    }

    pub(crate) fn count_end(&mut self, end: End) {
        let (end, good) = match end {
            End::Exited(status) => (status.to_string(), status.success()),
            End::Killed => ("killed, because its shutdown did not end".to_owned(), false),
        };
        *self.ends.entry(end).or_default() += 1;
        self.bad_ends += u64::from(!good);
    }

    pub(crate) fn add_log(&mut self, log: &str) {
        self.log_bytes += log.len() as u64;
        for line in log.lines() {
            self.log_lines += 1;
            // Without the time, and without what differs.
            let Some((time, message)) = line.split_once('Z') else {
                self.odd_lines += 1;
                continue;
            };
            self.odd_lines += u64::from(!time.starts_with("20") || message.contains("panicked at"));
            let target = message.split_whitespace().nth(1).unwrap_or_default();
            self.foreign_lines += u64::from(!target.starts_with("campanile"));
            let message: String = message
                .trim()
                .chars()
                .filter(|char| !char.is_ascii_digit())
                .take(90)
                .collect();
            *self.messages.entry(message).or_default() += 1;
        }
    }

    /// Returns the conditions that do not hold.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for (kind, served) in &self.good {
            let failed: u64 = served.failed.values().sum();
            if failed > 0 {
                violations.push(format!(
                    "{failed} of {} requests of good clients failed: {kind}",
                    served.requests
                ));
            }
        }
        // After 20 s, four times the idle timeout of the server.
        for (attack, endings) in &self.endings {
            if let Some(open) = endings.get(STILL_OPEN) {
                violations.push(format!("{open} connections are still open: {attack}"));
            }
        }
        if self.after.rss_kib > self.before.rss_kib + RETAINED_KIB {
            violations.push("the memory did not return".to_owned());
        }
        if self.after.descriptors > self.before.descriptors + RETAINED_DESCRIPTORS {
            violations.push("descriptors are left open".to_owned());
        }
        violations.extend(
            self.nonzero_gauges
                .iter()
                .map(|gauge| format!("a gauge is not zero: {gauge}")),
        );
        if self.bad_ends > 0 {
            violations.push(format!("{} processes did not end well", self.bad_ends));
        }
        if self.odd_lines > 0 {
            violations.push(format!(
                "{} lines of the log are forged, or of panics",
                self.odd_lines
            ));
        }
        if self.log_lines - self.foreign_lines > LOG_LINES.0 * self.duration.as_secs() + LOG_LINES.1 {
            violations.push(format!("{} lines were logged", self.log_lines));
        }
        if self.series > SERIES {
            violations.push(format!("{} series", self.series));
        }
        violations
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## {:?} under siege for {} s\n",
            self.kind,
            self.duration.as_secs()
        )?;
        writeln!(f, "{:<36}{:>9}  ended by", "attack", "attempts")?;
        for (attack, endings) in &self.endings {
            let attempts: u64 = endings.values().sum();
            writeln!(f, "{attack:<36}{attempts:>9}  {}", list(endings))?;
        }
        writeln!(
            f,
            "\n{:<18}{:>9}{:>10}{:>8}{:>11}  failures (the worst time includes the freeze)",
            "good clients", "requests", "repeated", "failed", "worst"
        )?;
        for (kind, served) in &self.good {
            let failed: u64 = served.failed.values().sum();
            let worst = format!("{:.0?}", served.worst);
            writeln!(
                f,
                "{kind:<18}{:>9}{:>10}{failed:>8}{worst:>11}  {}",
                served.requests,
                served.repeated,
                list(&served.failed)
            )?;
        }
        writeln!(f, "\n{:<18}{:>9}{:>9}{:>9}", "server", "before", "peak", "after")?;
        let mib = |usage: Usage| format!("{:.1}", usage.rss_kib as f64 / 1024.0);
        writeln!(
            f,
            "{:<18}{:>9}{:>9}{:>9}",
            "memory, MiB",
            mib(self.before),
            mib(self.peak),
            mib(self.after)
        )?;
        writeln!(
            f,
            "{:<18}{:>9}{:>9}{:>9}",
            "descriptors", self.before.descriptors, self.peak.descriptors, self.after.descriptors
        )?;
        writeln!(
            f,
            "{} restarts, {} freezes; processes ended by: {}",
            self.restarts,
            self.freezes,
            list(&self.ends)
        )?;
        if self.kind == ServerKind::Campanile {
            writeln!(
                f,
                "log: {} lines, of these {} of dependencies, {} bytes; metrics: {} series, {} gauges not zero",
                self.log_lines,
                self.foreign_lines,
                self.log_bytes,
                self.series,
                self.nonzero_gauges.len()
            )?;
            let mut messages: Vec<_> = self.messages.iter().collect();
            messages.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (message, count) in messages.iter().take(20) {
                writeln!(f, "  {count:>6} {message}")?;
            }
            for line in &self.notable {
                writeln!(f, "  {line}")?;
            }
        }
        for violation in self.violations() {
            writeln!(f, "VIOLATED: {violation}")?;
        }
        Ok(())
    }
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    counts.join(", ")
}
