//! The layout, by the size of the terminal.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::model::{ConnectionState, Model};

/// The width from which there are two columns of gauges and three of tables.
pub(super) const WIDE: u16 = 120;
/// The number of gauges.
const GAUGES: u16 = 6;

/// The areas of a frame.
#[derive(Debug)]
pub(super) struct Areas {
    pub(super) header: Rect,
    pub(super) banner: Rect,
    pub(super) gauges: Rect,
    pub(super) tables: Rect,
    pub(super) requests: Rect,
    pub(super) footer: Rect,
}

impl Areas {
    pub(super) fn new(area: Rect, model: &Model) -> Self {
        let banner = u16::from(has_banner(model));
        let rows = if area.width >= WIDE { GAUGES / 2 } else { GAUGES };
        // All gauges have the same height.
        let gauge_height = (area.height / 3 / rows).clamp(1, 4);
        let share = (area.height.saturating_sub(2 + rows * gauge_height)) * 7 / 16;
        let tables = table_height(model, area.width).min(share.max(4));
        let [header, banner, gauges, tables, requests, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(banner),
            Constraint::Length(rows * gauge_height),
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

/// Returns the cells of a line. Computing the columns once per table is the expensive part.
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
    matches!(model.connection(), ConnectionState::Lost(_))
        || matches!(phase, "draining" | "stopping" | "stopped")
}

/// Returns the height of all rows of the tables, with their headings and a blank line.
fn table_height(model: &Model, width: u16) -> u16 {
    let [codes, queues, calls] = [model.codes(), model.listeners(), model.hosts()].map(|rows| rows.len());
    let height = |rows: usize| if rows == 0 { 0 } else { rows + 1 };
    let beside = if width >= WIDE {
        height(queues).max(height(calls))
    } else {
        height(queues) + height(calls)
    };
    u16::try_from((codes + 1).max(beside) + 1).unwrap_or(u16::MAX)
}
