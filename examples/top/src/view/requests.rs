//! The requests in flight.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    text::Line,
};

use super::{Screen, Theme, layout::on_line};
use crate::{
    model::Model,
    number::{end_of, front_of, time},
};

/// A UUID's width.
const ID: u16 = 36;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, screen: &mut Screen) {
    let (total, rows) = model.requests(&screen.filter);
    let mut lines = area.rows();
    screen.room = usize::from(area.height.saturating_sub(2));
    screen.above = screen.above.min(rows.len().saturating_sub(screen.room));
    if let Some(line) = lines.next() {
        let title = title(model, screen, total, rows.len());
        frame.render_widget(Line::styled(title, Theme::title()), line);
    }
    // What is very wide has room for ids that grew on their way.
    let id = ID + (area.width.saturating_sub(120) / 2).min(30);
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
        let places = on_line(&columns, line);
        let heads = ["id", "method", "route", "age", "doing"];
        for (head, place) in heads.into_iter().zip(&places[1..]) {
            let side = if head == "age" {
                Alignment::Right
            } else {
                Alignment::Left
            };
            frame.render_widget(Line::styled(head, screen.theme.quiet()).alignment(side), *place);
        }
    }
    for (request, line) in rows.into_iter().skip(screen.above).zip(lines) {
        let places = on_line(&columns, line);
        let width = |column: usize| usize::from(places[column].width);
        let cells = [
            end_of(request.id.as_str(), width(1)),
            front_of(request.method.as_str(), width(2)),
            front_of(request.route.as_str(), width(3)),
            time(Some(request.age_seconds)),
            front_of(&request.doing(), width(5)),
        ];
        for (column, (cell, place)) in cells.into_iter().zip(&places[1..]).enumerate() {
            let side = if column == 3 {
                Alignment::Right
            } else {
                Alignment::Left
            };
            frame.render_widget(Line::raw(cell).alignment(side), *place);
        }
    }
}

fn title(model: &Model, screen: &Screen, total: usize, known: usize) -> String {
    let filter = if screen.filter.is_empty() {
        String::new()
    } else {
        format!(" whose id has {}", screen.filter)
    };
    let said = match (model.tells_requests(), known) {
        (false, _) => "not told".to_owned(),
        (true, 0) => "none".to_owned(),
        (true, _) => {
            let last = (screen.above + screen.room.max(1)).min(known);
            let range = format!("{total}, shown {} to {last}", screen.above + 1);
            if known < total {
                format!("{range} of the oldest {known}")
            } else {
                range
            }
        }
    };
    format!(" Requests in flight{filter}: {said}")
}
