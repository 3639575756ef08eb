//! The tables of status codes, accept queues and outgoing calls.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
};

use super::{
    Screen,
    layout::WIDE,
    table::{Table, TableRow},
};
use crate::{
    format::{count, with_limit},
    model::{Model, SafeText},
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, screen: &Screen) {
    let (codes, queues, calls) = (codes(model, screen), queues(model, screen), calls(model, screen));
    let beside: Vec<_> = [queues, calls]
        .into_iter()
        .filter(|table| !table.rows.is_empty())
        .collect();
    let wide = area.width >= WIDE;
    let shares = match (beside.len(), wide) {
        (0, _) => vec![Constraint::Fill(1)],
        (2, true) => vec![Constraint::Fill(1), Constraint::Fill(2)],
        (_, true) => vec![Constraint::Fill(1); 2],
        (_, false) => vec![Constraint::Fill(3), Constraint::Fill(5)],
    };
    let areas = Layout::horizontal(shares).spacing(1).split(area);
    codes.draw(frame, areas[0], screen);
    let Some(right) = areas.get(1) else {
        return;
    };
    let areas = if wide {
        Layout::horizontal(vec![Constraint::Fill(1); beside.len()])
            .spacing(1)
            .split(*right)
    } else if beside.len() == 2 {
        // There are few listeners and possibly many hosts; both get at least one row.
        let needed = u16::try_from(beside[0].rows.len() + 1).unwrap_or(u16::MAX);
        let upper = needed.clamp(2, (right.height / 2).max(2));
        Layout::vertical([Constraint::Length(upper), Constraint::Fill(1)]).split(*right)
    } else {
        Layout::vertical([Constraint::Fill(1)]).split(*right)
    };
    for (table, area) in beside.iter().zip(areas.iter()) {
        table.draw(frame, *area, screen);
    }
}

fn codes(model: &Model, screen: &Screen) -> Table {
    let row = |code: &SafeText| {
        let read =
            |codes: &std::collections::BTreeMap<SafeText, f64>| codes.get(code).copied().unwrap_or(0.0);
        let series = model.series(|sample| Some(read(&sample.codes)));
        let now = model.last().map(|sample| read(&sample.codes));
        TableRow {
            name: code.to_string(),
            numbers: vec![count(now), count(Some(series.max()))],
            series,
            limit: None,
            style: screen.theme.of_code(code.as_str()),
        }
    };
    Table {
        title: "Status",
        heads: &["now/s", "max/s"],
        rows: model.codes().into_iter().map(row).collect(),
    }
}

fn queues(model: &Model, screen: &Screen) -> Table {
    let row = |listener: &SafeText| {
        let queue = model.last().and_then(|sample| sample.queue(listener));
        let (pending, limit) = (
            queue.and_then(|queue| queue.pending),
            queue.and_then(|queue| queue.limit),
        );
        let overflows = queue.and_then(|queue| queue.overflows);
        let full = pending
            .zip(limit)
            .is_some_and(|(pending, limit)| limit > 0.0 && pending >= limit);
        TableRow {
            name: listener.to_string(),
            numbers: vec![with_limit(pending, limit).replace(" of ", "/"), count(overflows)],
            series: model.series(|sample| sample.queue(listener)?.pending),
            limit,
            style: if full {
                screen.theme.alarm(Color::Red)
            } else {
                screen.theme.colour(Color::Cyan)
            },
        }
    };
    Table {
        title: "Accept queue",
        heads: &["waiting", "overflow"],
        rows: model.listeners().into_iter().map(row).collect(),
    }
}

fn calls(model: &Model, screen: &Screen) -> Table {
    let row = |host: &SafeText| {
        let call = model.last().and_then(|sample| sample.calls_to(host));
        let [requests, errors, in_flight] =
            call.map_or([0.0; 3], |call| [call.requests, call.errors, call.in_flight]);
        let failing = screen.theme.colour(Color::Red).add_modifier(Modifier::BOLD);
        let style: Style = if errors > 0.0 {
            failing
        } else {
            screen.theme.colour(Color::Cyan)
        };
        TableRow {
            name: host.to_string(),
            numbers: [requests, errors, in_flight]
                .map(|value| count(Some(value)))
                .into(),
            series: model.series(|sample| Some(sample.calls_to(host).map_or(0.0, |call| call.requests))),
            limit: None,
            style,
        }
    };
    Table {
        title: "Calls to",
        heads: &["calls/s", "errors/s", "active"],
        rows: model.hosts().into_iter().map(row).collect(),
    }
}
