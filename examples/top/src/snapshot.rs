//! One look, as plain text: for pipes, logs and tickets.

use std::fmt::{self, Write as _};

use crate::{
    model::{Model, Requests, Sample, Text},
    number::{count, of_limit, time},
};

/// Spells what is known. `requests` is what the port answered, if it tells of requests in flight.
///
/// # Errors
///
/// Never: a `String` takes what is written.
pub fn text(model: &Model, requests: Option<&Requests>, target: &str) -> Result<String, fmt::Error> {
    let default = Sample::default();
    let last = model.last().unwrap_or(&default);
    let mut out = String::new();
    writeln!(out, "{}", title(model, last, target))?;
    line(&mut out, "requests/s", &count(last.requests))?;
    for (which, label) in ["latency p50", "latency p95", "latency p99"]
        .into_iter()
        .enumerate()
    {
        line(&mut out, label, &time(last.percentile(which)))?;
    }
    line(
        &mut out,
        "in flight",
        &of_limit(last.in_flight, last.concurrency_limit),
    )?;
    line(&mut out, "shed/s", &count(last.shed))?;
    line(
        &mut out,
        "connections",
        &of_limit(last.connections, last.connection_limit),
    )?;
    for code in model.codes() {
        let now = last.codes.get(code).copied().unwrap_or(0.0);
        let most = model.course(|sample| sample.codes.get(code).copied()).most();
        line(
            &mut out,
            &format!("status {code}"),
            &format!("{}/s, most {}/s", count(Some(now)), count(Some(most))),
        )?;
    }
    for queue in &last.listeners {
        let said = format!(
            "{} waiting, {} overflows",
            of_limit(queue.pending, queue.limit),
            count(queue.overflows)
        );
        line(&mut out, &format!("queue {}", queue.listener), &said)?;
    }
    for call in &last.calls {
        let [requests, errors, in_flight] =
            [call.requests, call.errors, call.in_flight].map(|value| count(Some(value)));
        let said = format!("{requests}/s, {errors} errors/s, {in_flight} in flight");
        line(&mut out, &format!("calls {}", call.host), &said)?;
    }
    if let Some(requests) = requests {
        table(&mut out, requests)?;
    }
    Ok(out)
}

fn title(model: &Model, last: &Sample, target: &str) -> String {
    let about = model.about();
    let name = [&about.service, &about.version].map(Text::as_str).join(" ");
    let name = match name.trim() {
        "" => "campanile",
        name => name,
    };
    let phase = match last.phase.as_str() {
        "" => "of unknown phase",
        phase => phase,
    };
    let left = last
        .seconds_left
        .map_or_else(String::new, |left| format!(", {:.0} s left", left.ceil()));
    format!("{name}, pid {}, {phase}{left}, at {target}", about.pid)
}

fn line(out: &mut String, label: &str, value: &str) -> fmt::Result {
    writeln!(out, "{label:<24} {value}")
}

fn table(out: &mut String, requests: &Requests) -> fmt::Result {
    let shown = requests.requests.len();
    line(out, "requests in flight", &requests.total.to_string())?;
    if shown < requests.total {
        writeln!(out, "  the oldest {shown}:")?;
    }
    for request in &requests.requests {
        writeln!(
            out,
            "  {:>10}  {} {} {} {}",
            time(Some(request.age_seconds)),
            request.id,
            request.method,
            request.route,
            request.doing(),
        )?;
    }
    Ok(())
}
