//! Sparklines.

use ratatui::{Frame, layout::Rect, style::Style, widgets::Sparkline};

use crate::model::{Series, TimeScale};

/// Draws a series. The scale ends at its maximum, or at `limit` once the maximum reaches a quarter of it.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    series: &Series,
    limit: Option<f64>,
    scale: TimeScale,
    style: Style,
) {
    let cells = series.cells(scale, usize::from(area.width));
    let max = series.max();
    let top = limit
        .filter(|limit| max >= limit / 4.0)
        .map_or(max, |limit| limit.max(max));
    // Each line of a bar has eight steps.
    let steps = u64::from(area.height) * 8;
    let bars = cells.into_iter().map(|value| Some(bar(value?, top, steps)));
    let widget = Sparkline::default()
        .data(bars.collect::<Vec<Option<u64>>>())
        .max(steps.max(1))
        .style(style);
    frame.render_widget(widget, area);
}

/// Returns the height of a bar in steps. Values above zero have at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the number of steps is small"
)]
fn bar(value: f64, top: f64, steps: u64) -> u64 {
    if value > 0.0 && top > 0.0 {
        (value / top * steps as f64).round().max(1.0) as u64
    } else {
        0
    }
}
