//! The state of the model as plain text.

use crate::{
    format::{count, duration, with_limit},
    model::{Model, RequestList, SafeText, Sample},
};

/// Formats the state. `requests` are the requests in flight, if the port reports them.
#[must_use]
pub fn text(model: &Model, requests: Option<&RequestList>, target: &str) -> String {
    let default = Sample::default();
    let last = model.last().unwrap_or(&default);
    let mut out = String::new();
    out.push_str(&title(model, last, target));
    out.push('\n');
    line(&mut out, "requests/s", &count(last.requests));
    for (index, label) in ["latency p50", "latency p95", "latency p99"]
        .into_iter()
        .enumerate()
    {
        line(&mut out, label, &duration(last.percentile(index)));
    }
    line(
        &mut out,
        "in flight",
        &with_limit(last.in_flight, last.concurrency_limit),
    );
    line(&mut out, "shed/s", &count(last.shed));
    line(
        &mut out,
        "connections",
        &with_limit(last.connections, last.connection_limit),
    );
    for code in model.codes() {
        let now = last.codes.get(code).copied().unwrap_or(0.0);
        let max = model.series(|sample| sample.codes.get(code).copied()).max();
        line(
            &mut out,
            &format!("status {code}"),
            &format!("{}/s, max {}/s", count(Some(now)), count(Some(max))),
        );
    }
    for queue in &last.listeners {
        let value = format!(
            "{} waiting, {} overflows",
            with_limit(queue.pending, queue.limit),
            count(queue.overflows)
        );
        line(&mut out, &format!("queue {}", queue.listener), &value);
    }
    for call in &last.calls {
        let [requests, errors, in_flight] =
            [call.requests, call.errors, call.in_flight].map(|value| count(Some(value)));
        let value = format!("{requests}/s, {errors} errors/s, {in_flight} in flight");
        line(&mut out, &format!("calls {}", call.host), &value);
    }
    if let Some(requests) = requests {
        table(&mut out, requests);
    }
    out
}

fn title(model: &Model, last: &Sample, target: &str) -> String {
    let info = model.service_info();
    let name = [&info.service, &info.version].map(SafeText::as_str).join(" ");
    let name = match name.trim() {
        "" => "campanile",
        name => name,
    };
    let phase = match last.phase.as_str() {
        "" => "unknown phase",
        phase => phase,
    };
    let left = last
        .seconds_left
        .map_or_else(String::new, |left| format!(", {:.0} s left", left.ceil()));
    format!("{name}, pid {}, {phase}{left}, at {target}", info.pid)
}

fn line(out: &mut String, label: &str, value: &str) {
    out.push_str(&format!("{label:<24} {value}\n"));
}

fn table(out: &mut String, requests: &RequestList) {
    let shown = requests.requests.len();
    line(out, "requests in flight", &requests.total.to_string());
    if shown < requests.total {
        out.push_str(&format!("  oldest {shown}:\n"));
    }
    for request in &requests.requests {
        out.push_str(&format!(
            "  {:>10}  {} {} {} {}\n",
            duration(Some(request.age_seconds)),
            request.id,
            request.method,
            request.route,
            request.state(),
        ));
    }
}
