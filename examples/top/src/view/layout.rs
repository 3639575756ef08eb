//! Where everything stands, by the size of the terminal.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::model::{Link, Model};

/// From here on there are two columns of gauges, and three of tables.
pub(super) const WIDE: u16 = 120;
/// Three rates and gauges, three percentiles.
const GAUGES: u16 = 6;

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) header: Rect,
    pub(super) banner: Rect,
    pub(super) gauges: Rect,
    pub(super) tables: Rect,
    pub(super) requests: Rect,
    pub(super) footer: Rect,
}

impl Places {
    pub(super) fn new(area: Rect, model: &Model) -> Self {
        let banner = u16::from(has_banner(model));
        let rows = if area.width >= WIDE { GAUGES / 2 } else { GAUGES };
        // Gauges grow with the terminal, in steps, so that all are alike.
        let each = (area.height / 3 / rows).clamp(1, 4);
        let share = (area.height.saturating_sub(2 + rows * each)) * 7 / 16;
        let tables = wanted(model, area.width).min(share.max(4));
        let [header, banner, gauges, tables, requests, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(banner),
            Constraint::Length(rows * each),
            Constraint::Length(tables),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(area);
        Self {
            header,
            banner,
            gauges,
            tables,
            requests,
            footer,
        }
    }
}

/// Returns the cells of a line of a table: the columns are computed once, which takes the longest of all.
pub(super) fn on_line(columns: &[Rect], line: Rect) -> Vec<Rect> {
    let cell = |column: &Rect| Rect {
        y: line.y,
        height: line.height,
        ..*column
    };
    columns.iter().map(cell).collect()
}

fn has_banner(model: &Model) -> bool {
    let phase = model.last().map_or("", |sample| sample.phase.as_str());
    matches!(model.link(), Link::Lost(_)) || matches!(phase, "draining" | "stopping" | "stopped")
}

/// Returns how many lines the tables want: a head and their rows, and one below.
fn wanted(model: &Model, width: u16) -> u16 {
    let [codes, queues, calls] = [model.codes(), model.listeners(), model.hosts()].map(|rows| rows.len());
    let below = |rows: usize| if rows == 0 { 0 } else { rows + 1 };
    let beside = if width >= WIDE {
        below(queues).max(below(calls))
    } else {
        below(queues) + below(calls)
    };
    u16::try_from((codes + 1).max(beside) + 1).unwrap_or(u16::MAX)
}
