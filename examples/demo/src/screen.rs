//! What the terminal shows; plain text where there is none.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Instant,
};

use campanile::{Outcome, lifecycle::Report, listen::ListenAddress};

use crate::{
    prometheus,
    settle::End,
    tally::{Service, Tally},
    traffic::Ids,
};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";

/// Where all output goes after the two lines that others read.
pub(crate) struct Screen {
    colour: bool,
    started: Instant,
    last: (Instant, Tally),
    /// A line of rates stands there that the next one replaces.
    unfinished: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            started: now,
            last: (now, Tally::default()),
            unfinished: false,
        }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour {
            format!("{style}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn introduce(&self, edge: &ListenAddress, admin: &ListenAddress, seconds: Option<u64>) {
        let end = match seconds {
            Some(seconds) => format!("for {seconds} s"),
            None => "until Ctrl-C".to_owned(),
        };
        println!("\n{} {end}", self.paint(BOLD, "edge → catalog → stock"));
        println!(
            "{}",
            self.paint(
                DIM,
                &format!("see it: http://{admin}/   try it: curl -i http://{edge}/products/7")
            )
        );
        println!();
    }

    /// Shows what happened since the last time.
    pub(crate) fn show_rates(&mut self, metrics: &str) {
        let (now, tally) = (Instant::now(), Tally::of_metrics(metrics));
        let seconds = now.duration_since(self.last.0).as_secs_f64();
        let rate = |now: u64, before: u64| (now.saturating_sub(before)) as f64 / seconds;
        let mut line = format!("{:>4} s", self.started.elapsed().as_secs());
        for service in Service::ALL {
            let rate = rate(tally.of_service(service), self.last.1.of_service(service));
            line.push_str(&format!("   {} {rate:>4.0}/s", service.name()));
        }
        let in_flight: f64 = prometheus::samples(metrics, "http_server_active_requests")
            .filter(|sample| sample.label("service") == Service::Edge.name())
            .map(|sample| sample.value)
            .sum();
        let at_edge = |outcome| {
            rate(
                tally[(Service::Edge, outcome)],
                self.last.1[(Service::Edge, outcome)],
            )
        };
        let gone = at_edge(Outcome::Cancelled) + at_edge(Outcome::Aborted);
        line.push_str(&format!(
            "   in flight {in_flight:>2}   shed {:>2.0}/s   gone {gone:>2.0}/s",
            at_edge(Outcome::Shed)
        ));
        if self.colour {
            print!("\r\x1b[2K{line}");
            // Half a line is shown only when asked to.
            let _shown = stdout().flush();
            self.unfinished = true;
        } else {
            println!("{line}");
        }
        self.last = (now, tally);
    }

    /// Says that the end has begun.
    pub(crate) fn say_that_it_drains(&mut self) {
        if std::mem::take(&mut self.unfinished) {
            println!();
        }
        println!("{}", self.paint(DIM, "the edge drains, the traffic goes on"));
    }

    /// Shows the two counts one above the other.
    pub(crate) fn show_table(&self, end: &End) {
        let mut head = format!("{:<18}", "requests");
        for outcome in Outcome::ALL {
            head.push_str(&format!("{:>11}", outcome.as_str().replace('_', " ")));
        }
        println!("\n{}", self.paint(BOLD, &head));
        for service in Service::ALL {
            self.show_row(service.name(), "metrics", service, &end.metrics, &end.traffic);
            self.show_row("", "traffic", service, &end.traffic, &end.metrics);
        }
        println!();
        self.show_statuses("answers", "metrics", &end.metrics, &end.traffic);
        self.show_statuses("", "traffic", &end.traffic, &end.metrics);
        if end.visitors > 0 {
            println!(
                "{:<9}{} at the edge, counted by the metrics alone",
                "visitors", end.visitors
            );
        }
        let verdict = if end.agree() {
            let text = format!(
                "the metrics and the traffic agree on {} requests",
                end.traffic.sum()
            );
            self.paint(GREEN, &text)
        } else {
            self.paint(RED, "the metrics and the traffic do NOT agree")
        };
        println!("\n{verdict}");
    }

    /// Shows what became of the requests that met the stop of the edge.
    pub(crate) fn show_drain(&self, report: &Report, end: &End) {
        let lost = format!("lost: {}", end.lost + report.cut_requests());
        let style = if lost == "lost: 0" { GREEN } else { RED };
        println!(
            "\n{} in {:.1} s   served meanwhile: {}   refused after it: {}   {}",
            self.paint(BOLD, "drain under load"),
            report.took().as_secs_f64(),
            report.drained_requests(),
            end.refused,
            self.paint(style, &lost)
        );
    }

    fn show_row(&self, name: &str, who: &str, service: Service, own: &Tally, other: &Tally) {
        let mut line = format!("{name:<9}{who:<9}");
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

    fn show_statuses(&self, name: &str, who: &str, own: &Tally, other: &Tally) {
        let mut line = format!("{name:<9}{who:<9}");
        for (status, number) in &own.by_status {
            let text = format!("{status} ×{number:<7}");
            let differs = other.by_status.get(status) != Some(number);
            line.push_str(&if differs { self.paint(RED, &text) } else { text });
        }
        println!("{}", line.trim_end());
    }

    /// Shows how the ids of one request grow from service to service.
    pub(crate) fn show_ids(&self, ids: Option<&Ids>) {
        let Some(ids) = ids else { return };
        println!("\n{}", self.paint(BOLD, "one request, by its ids"));
        let width = ids.iter().map(String::len).max().unwrap_or_default();
        let first = ids.first().map_or(0, String::len);
        for (service, id) in Service::ALL.into_iter().zip(ids) {
            let (calls, root) = id.split_at(id.len().saturating_sub(first));
            let blanks = " ".repeat(width - id.len());
            println!(
                "  {:<9}{blanks}{}{}",
                service.name(),
                self.paint(DIM, calls),
                self.paint(GREEN, root)
            );
        }
    }
}
