//! The gauges: a value, a sparkline and a note each.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style},
    text::Line,
};

use super::{Screen, Theme, layout::WIDE, sparkline};
use crate::{
    format::{count, duration, with_limit},
    model::{Model, Sample, Series},
};

struct Gauge {
    label: &'static str,
    value: String,
    note: String,
    series: Series,
    limit: Option<f64>,
    colour: Color,
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, screen: &Screen) {
    let gauges = gauges(model);
    let columns = if area.width >= WIDE { 2 } else { 1 };
    let rows = gauges.len() / columns;
    let areas = Layout::horizontal(vec![Constraint::Fill(1); columns])
        .spacing(2)
        .split(area);
    let areas = areas.iter().flat_map(|column| {
        let lines = Layout::vertical(vec![Constraint::Fill(1); rows]).split(*column);
        lines.iter().copied().collect::<Vec<_>>()
    });
    for (gauge, area) in gauges.iter().zip(areas) {
        draw_gauge(frame, area, gauge, screen);
    }
}

fn gauges(model: &Model) -> Vec<Gauge> {
    let default = Sample::default();
    let last = model.last().unwrap_or(&default);
    let rate = |label, colour, value: String, limit, read: fn(&Sample) -> Option<f64>| {
        let series = model.series(read);
        let note = format!("max {}", count(Some(series.max())));
        Gauge {
            label,
            value,
            note,
            series,
            limit,
            colour,
        }
    };
    let percentile = |index: usize, label, colour| {
        let series = model.series(|sample| sample.percentile(index));
        let note = format!("max {}", duration(Some(series.max()).filter(|max| *max > 0.0)));
        let value = duration(last.percentile(index));
        Gauge {
            label,
            value,
            note,
            series,
            limit: None,
            colour,
        }
    };
    let mut in_flight = rate(
        "in flight",
        Color::Cyan,
        with_limit(last.in_flight, last.concurrency_limit),
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
            with_limit(last.connections, last.connection_limit),
            last.connection_limit,
            |sample| sample.connections,
        ),
        percentile(0, "latency p50", Color::Green),
        percentile(1, "latency p95", Color::Yellow),
        percentile(2, "latency p99", Color::Magenta),
    ]
}

fn draw_gauge(frame: &mut Frame<'_>, area: Rect, gauge: &Gauge, screen: &Screen) {
    let [label, value, series, note] = Layout::horizontal([
        Constraint::Length(13),
        Constraint::Length(14),
        Constraint::Fill(1),
        Constraint::Length(14),
    ])
    .areas(area);
    frame.render_widget(Line::raw(format!(" {}", gauge.label)), label);
    frame.render_widget(Line::styled(gauge.value.as_str(), Theme::title()), value);
    let style: Style = screen.theme.colour(gauge.colour);
    sparkline::draw(
        frame,
        series,
        &gauge.series,
        gauge.limit,
        screen.time_scale,
        style,
    );
    frame.render_widget(
        Line::styled(format!(" {}", gauge.note), screen.theme.quiet()),
        note,
    );
}
