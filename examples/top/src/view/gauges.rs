//! Requests, latency, in flight, connections: a value and its course each.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style},
    text::Line,
};

use super::{Screen, Theme, layout::WIDE, sparkline};
use crate::{
    model::{Course, Model, Sample},
    number::{count, of_limit, time},
};

struct Gauge {
    label: &'static str,
    value: String,
    note: String,
    course: Course,
    bound: Option<f64>,
    colour: Color,
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, screen: &Screen) {
    let gauges = gauges(model);
    let columns = if area.width >= WIDE { 2 } else { 1 };
    let rows = gauges.len() / columns;
    let places = Layout::horizontal(vec![Constraint::Fill(1); columns])
        .spacing(2)
        .split(area);
    let places = places.iter().flat_map(|column| {
        let lines = Layout::vertical(vec![Constraint::Fill(1); rows]).split(*column);
        lines.iter().copied().collect::<Vec<_>>()
    });
    for (gauge, place) in gauges.iter().zip(places) {
        draw_gauge(frame, place, gauge, screen);
    }
}

fn gauges(model: &Model) -> Vec<Gauge> {
    let default = Sample::default();
    let last = model.last().unwrap_or(&default);
    let rate = |label, colour, value: String, bound, read: fn(&Sample) -> Option<f64>| {
        let course = model.course(read);
        let note = format!("most {}", count(Some(course.most())));
        Gauge {
            label,
            value,
            note,
            course,
            bound,
            colour,
        }
    };
    let percentile = |which: usize, label, colour| {
        let course = model.course(|sample| sample.percentile(which));
        let note = format!("most {}", time(Some(course.most()).filter(|most| *most > 0.0)));
        let value = time(last.percentile(which));
        Gauge {
            label,
            value,
            note,
            course,
            bound: None,
            colour,
        }
    };
    let mut in_flight = rate(
        "in flight",
        Color::Cyan,
        of_limit(last.in_flight, last.concurrency_limit),
        last.concurrency_limit,
        |sample| sample.in_flight,
    );
    if let Some(shed) = last.shed.filter(|shed| *shed > 0.0) {
        in_flight.note = format!("shed {}/s", count(Some(shed)));
    }
    vec![
        rate("requests/s", Color::Cyan, count(last.requests), None, |sample| {
            sample.requests
        }),
        in_flight,
        rate(
            "connections",
            Color::Cyan,
            of_limit(last.connections, last.connection_limit),
            last.connection_limit,
            |sample| sample.connections,
        ),
        percentile(0, "latency p50", Color::Green),
        percentile(1, "latency p95", Color::Yellow),
        percentile(2, "latency p99", Color::Magenta),
    ]
}

fn draw_gauge(frame: &mut Frame<'_>, area: Rect, gauge: &Gauge, screen: &Screen) {
    let [label, value, course, note] = Layout::horizontal([
        Constraint::Length(13),
        Constraint::Length(14),
        Constraint::Fill(1),
        Constraint::Length(14),
    ])
    .areas(area);
    frame.render_widget(Line::raw(format!(" {}", gauge.label)), label);
    frame.render_widget(Line::styled(gauge.value.as_str(), Theme::title()), value);
    let style: Style = screen.theme.colour(gauge.colour);
    sparkline::draw(frame, course, &gauge.course, gauge.bound, screen.span, style);
    frame.render_widget(
        Line::styled(format!(" {}", gauge.note), screen.theme.quiet()),
        note,
    );
}
