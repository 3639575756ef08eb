//! A course as bars.

use ratatui::{Frame, layout::Rect, style::Style, widgets::Sparkline};

use crate::model::{Course, Span};

/// Draws a course up to its highest value, or up to `bound` once it is anywhere near that.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    course: &Course,
    bound: Option<f64>,
    span: Span,
    style: Style,
) {
    let cells = course.cells(span, usize::from(area.width));
    let most = course.most();
    let top = bound
        .filter(|bound| most >= bound / 4.0)
        .map_or(most, |bound| bound.max(most));
    // A bar has eight steps in each line.
    let steps = u64::from(area.height) * 8;
    let bars = cells.into_iter().map(|value| Some(bar(value?, top, steps)));
    let widget = Sparkline::default()
        .data(bars.collect::<Vec<Option<u64>>>())
        .max(steps.max(1))
        .style(style);
    frame.render_widget(widget, area);
}

/// What is more than nothing is seen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few steps"
)]
fn bar(value: f64, top: f64, steps: u64) -> u64 {
    if value > 0.0 && top > 0.0 {
        (value / top * steps as f64).round().max(1.0) as u64
    } else {
        0
    }
}
