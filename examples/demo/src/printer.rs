//! The output on stdout, coloured on a terminal.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Instant,
};

use campanile::{Outcome, lifecycle::Report, listen::ListenAddress};

use crate::{
    comparison::Comparison,
    metrics_text,
    tally::{Service, Tally},
    traffic::RequestIds,
};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";

/// Prints everything after the two lines with the addresses, which programs parse.
pub(crate) struct Printer {
    colour: bool,
    started: Instant,
    last: (Instant, Tally),
    /// Whether the cursor is on a line of rates, which the next one overwrites.
    on_rates_line: bool,
}

impl Printer {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            started: now,
            last: (now, Tally::default()),
            on_rates_line: false,
        }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour {
            format!("{style}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn print_intro(&self, edge: &ListenAddress, admin: &ListenAddress, seconds: Option<u64>) {
        let end = match seconds {
            Some(seconds) => format!("for {seconds} s"),
            None => "until Ctrl-C".to_owned(),
        };
        println!("\n{} {end}", self.paint(BOLD, "edge → catalog → stock"));
        println!(
            "{}",
            self.paint(
                DIM,
                &format!("admin page: http://{admin}/   try: curl -i http://{edge}/products/7")
            )
        );
        println!();
    }

    /// Prints the rates since the last call.
    pub(crate) fn print_rates(&mut self, metrics: &str) {
        let (now, tally) = (Instant::now(), Tally::from_metrics(metrics));
        let seconds = now.duration_since(self.last.0).as_secs_f64();
        let rate = |now: u64, before: u64| (now.saturating_sub(before)) as f64 / seconds;
        let mut line = format!("{:>4} s", self.started.elapsed().as_secs());
        for service in Service::ALL {
            let rate = rate(tally.of_service(service), self.last.1.of_service(service));
            line.push_str(&format!("   {} {rate:>4.0}/s", service.name()));
        }
        let in_flight: f64 = metrics_text::samples(metrics, "http_server_active_requests")
            .filter(|sample| sample.label("service") == Service::Edge.name())
            .map(|sample| sample.value)
            .sum();
        let at_edge = |outcome| {
            rate(
                tally[(Service::Edge, outcome)],
                self.last.1[(Service::Edge, outcome)],
            )
        };
        let cancelled = at_edge(Outcome::Cancelled) + at_edge(Outcome::Aborted);
        line.push_str(&format!(
            "   in flight {in_flight:>2}   shed {:>2.0}/s   cancelled {cancelled:>2.0}/s",
            at_edge(Outcome::Shed)
        ));
        if self.colour {
            print!("\r\x1b[2K{line}");
            // The line has no newline yet.
            let _ = stdout().flush();
            self.on_rates_line = true;
        } else {
            println!("{line}");
        }
        self.last = (now, tally);
    }

    /// Prints that the edge starts to drain.
    pub(crate) fn print_drain_start(&mut self) {
        if std::mem::take(&mut self.on_rates_line) {
            println!();
        }
        println!("{}", self.paint(DIM, "draining the edge under load"));
    }

    /// Prints both counts below each other, and whether they are equal.
    pub(crate) fn print_table(&self, comparison: &Comparison) {
        let Comparison { metrics, clients, .. } = comparison;
        let mut head = format!("{:<18}", "requests");
        for outcome in Outcome::ALL {
            head.push_str(&format!("{:>11}", outcome.as_str().replace('_', " ")));
        }
        println!("\n{}", self.paint(BOLD, &head));
        for service in Service::ALL {
            self.print_row(service.name(), "metrics", service, metrics, clients);
            self.print_row("", "traffic", service, clients, metrics);
        }
        println!();
        self.print_statuses("statuses", "metrics", metrics, clients);
        self.print_statuses("", "traffic", clients, metrics);
        if comparison.visitors > 0 {
            println!(
                "{:<9}{} requests to the edge, in the metrics only",
                "visitors", comparison.visitors
            );
        }
        let verdict = if comparison.is_equal() {
            let text = format!("the metrics and the traffic agree on {} requests", clients.sum());
            self.paint(GREEN, &text)
        } else {
            self.paint(RED, "the metrics and the traffic do NOT agree")
        };
        println!("\n{verdict}");
    }

    /// Prints the requests that arrived during the shutdown of the edge.
    pub(crate) fn print_drain(&self, report: &Report, comparison: &Comparison) {
        let lost = format!("lost: {}", comparison.lost + report.cut_requests());
        let style = if lost == "lost: 0" { GREEN } else { RED };
        println!(
            "\n{} in {:.1} s   served while draining: {}   refused afterwards: {}   {}",
            self.paint(BOLD, "drain under load"),
            report.took().as_secs_f64(),
            report.drained_requests(),
            comparison.refused,
            self.paint(style, &lost)
        );
    }

    fn print_row(&self, name: &str, counter: &str, service: Service, own: &Tally, other: &Tally) {
        let mut line = format!("{name:<9}{counter:<9}");
        for outcome in Outcome::ALL {
            let number = own[(service, outcome)];
            let text = format!("{number:>11}");
            line.push_str(&match number {
                number if number != other[(service, outcome)] => self.paint(RED, &text),
                0 => self.paint(DIM, &text),
                _ => text,
            });
        }
        println!("{line}");
    }

    fn print_statuses(&self, name: &str, counter: &str, own: &Tally, other: &Tally) {
        let mut line = format!("{name:<9}{counter:<9}");
        for (status, number) in &own.by_status {
            let text = format!("{status} ×{number:<7}");
            let differs = other.by_status.get(status) != Some(number);
            line.push_str(&if differs { self.paint(RED, &text) } else { text });
        }
        println!("{}", line.trim_end());
    }

    /// Prints the IDs of one request at all services.
    pub(crate) fn print_ids(&self, ids: Option<&RequestIds>) {
        let Some(ids) = ids else { return };
        println!("\n{}", self.paint(BOLD, "IDs of one request"));
        let width = ids.iter().map(String::len).max().unwrap_or_default();
        let first = ids.first().map_or(0, String::len);
        for (service, id) in Service::ALL.into_iter().zip(ids) {
            let (calls, root) = id.split_at(id.len().saturating_sub(first));
            let padding = " ".repeat(width - id.len());
            println!(
                "  {:<9}{padding}{}{}",
                service.name(),
                self.paint(DIM, calls),
                self.paint(GREEN, root)
            );
        }
    }
}
