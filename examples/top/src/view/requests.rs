//! The requests in flight.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    text::Line,
};

use super::{Screen, Theme, layout::on_line};
use crate::{
    format::{duration, truncate_end, truncate_start},
    model::Model,
};

/// The width of a UUID.
const UUID_WIDTH: u16 = 36;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, screen: &mut Screen) {
    let (total, rows) = model.requests(&screen.filter);
    let mut lines = area.rows();
    screen.visible_rows = usize::from(area.height.saturating_sub(2));
    screen.scroll_offset = screen
        .scroll_offset
        .min(rows.len().saturating_sub(screen.visible_rows));
    if let Some(line) = lines.next() {
        let title = title(model, screen, total, rows.len());
        frame.render_widget(Line::styled(title, Theme::title()), line);
    }
    // Wide terminals have room for IDs of nested calls.
    let id = UUID_WIDTH + (area.width.saturating_sub(120) / 2).min(30);
    let columns = Layout::horizontal([
        Constraint::Length(1),
        Constraint::Length(id),
        Constraint::Length(7),
        Constraint::Fill(1),
        Constraint::Length(10),
        Constraint::Length(if area.width < 100 { 12 } else { 32 }),
    ])
    .spacing(1)
    .split(area);
    if rows.is_empty() {
        return;
    }
    if let Some(line) = lines.next() {
        let areas = on_line(&columns, line);
        let headings = ["id", "method", "route", "age", "state"];
        for (head, area) in headings.into_iter().zip(&areas[1..]) {
            let side = if head == "age" {
                Alignment::Right
            } else {
                Alignment::Left
            };
            frame.render_widget(Line::styled(head, screen.theme.quiet()).alignment(side), *area);
        }
    }
    for (request, line) in rows.into_iter().skip(screen.scroll_offset).zip(lines) {
        let areas = on_line(&columns, line);
        let width = |column: usize| usize::from(areas[column].width);
        let cells = [
            truncate_start(request.id.as_str(), width(1)),
            truncate_end(request.method.as_str(), width(2)),
            truncate_end(request.route.as_str(), width(3)),
            duration(Some(request.age_seconds)),
            truncate_end(&request.state(), width(5)),
        ];
        for (column, (cell, area)) in cells.into_iter().zip(&areas[1..]).enumerate() {
            let side = if column == 3 {
                Alignment::Right
            } else {
                Alignment::Left
            };
            frame.render_widget(Line::raw(cell).alignment(side), *area);
        }
    }
}

fn title(model: &Model, screen: &Screen, total: usize, known: usize) -> String {
    let filter = if screen.filter.is_empty() {
        String::new()
    } else {
        format!(" with ID {}", screen.filter)
    };
    let counts = match (model.has_requests(), known) {
        (false, _) => "not reported".to_owned(),
        (true, 0) => "none".to_owned(),
        (true, _) => {
            let last = (screen.scroll_offset + screen.visible_rows.max(1)).min(known);
            let range = format!("{total}, shown {} to {last}", screen.scroll_offset + 1);
            if known < total {
                format!("{range} of the oldest {known}")
            } else {
                range
            }
        }
    };
    format!(" Requests in flight{filter}: {counts}")
}
