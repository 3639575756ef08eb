//! Status codes, accept queues, outgoing calls.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
};

use super::{
    Screen,
    layout::WIDE,
    rows::{Row, Rows},
};
use crate::{
    model::{Model, Text},
    number::{count, of_limit},
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
    let places = Layout::horizontal(shares).spacing(1).split(area);
    codes.draw(frame, places[0], screen);
    let Some(right) = places.get(1) else {
        return;
    };
    let places = if wide {
        Layout::horizontal(vec![Constraint::Fill(1); beside.len()])
            .spacing(1)
            .split(*right)
    } else if beside.len() == 2 {
        // Listeners are few, hosts may be many; each has room for a row at least.
        let wanted = u16::try_from(beside[0].rows.len() + 1).unwrap_or(u16::MAX);
        let upper = wanted.clamp(2, (right.height / 2).max(2));
        Layout::vertical([Constraint::Length(upper), Constraint::Fill(1)]).split(*right)
    } else {
        Layout::vertical([Constraint::Fill(1)]).split(*right)
    };
    for (table, place) in beside.iter().zip(places.iter()) {
        table.draw(frame, *place, screen);
    }
}

fn codes(model: &Model, screen: &Screen) -> Rows {
    let row = |code: &Text| {
        let read = |codes: &std::collections::BTreeMap<Text, f64>| codes.get(code).copied().unwrap_or(0.0);
        let course = model.course(|sample| Some(read(&sample.codes)));
        let now = model.last().map(|sample| read(&sample.codes));
        Row {
            name: code.to_string(),
            numbers: vec![count(now), count(Some(course.most()))],
            course,
            bound: None,
            style: screen.theme.of_code(code.as_str()),
        }
    };
    Rows {
        title: "Status",
        heads: &["now/s", "most/s"],
        rows: model.codes().into_iter().map(row).collect(),
    }
}

fn queues(model: &Model, screen: &Screen) -> Rows {
    let row = |listener: &Text| {
        let queue = model.last().and_then(|sample| sample.queue(listener));
        let (pending, limit) = (
            queue.and_then(|queue| queue.pending),
            queue.and_then(|queue| queue.limit),
        );
        let overflows = queue.and_then(|queue| queue.overflows);
        let full = pending
            .zip(limit)
            .is_some_and(|(pending, limit)| limit > 0.0 && pending >= limit);
        Row {
            name: listener.to_string(),
            numbers: vec![of_limit(pending, limit).replace(" of ", "/"), count(overflows)],
            course: model.course(|sample| sample.queue(listener)?.pending),
            bound: limit,
            style: if full {
                screen.theme.alarm(Color::Red)
            } else {
                screen.theme.colour(Color::Cyan)
            },
        }
    };
    Rows {
        title: "Accept queue",
        heads: &["waiting", "overflow"],
        rows: model.listeners().into_iter().map(row).collect(),
    }
}

fn calls(model: &Model, screen: &Screen) -> Rows {
    let row = |host: &Text| {
        let call = model.last().and_then(|sample| sample.call(host));
        let [requests, errors, in_flight] =
            call.map_or([0.0; 3], |call| [call.requests, call.errors, call.in_flight]);
        let failing = screen.theme.colour(Color::Red).add_modifier(Modifier::BOLD);
        let style: Style = if errors > 0.0 {
            failing
        } else {
            screen.theme.colour(Color::Cyan)
        };
        Row {
            name: host.to_string(),
            numbers: [requests, errors, in_flight]
                .map(|value| count(Some(value)))
                .into(),
            course: model.course(|sample| Some(sample.call(host).map_or(0.0, |call| call.requests))),
            bound: None,
            style,
        }
    };
    Rows {
        title: "Calls to",
        heads: &["calls/s", "errors/s", "active"],
        rows: model.hosts().into_iter().map(row).collect(),
    }
}
