//! A table whose rows have a name, a few numbers and a course.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::Style,
    text::Line,
};

use super::{Screen, Theme, layout::on_line, sparkline};
use crate::{model::Course, number::end_of};

/// From here on a long name leaves room for a course.
const ROOMY: u16 = 24;
const COURSE: u16 = 7;

/// A row.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) numbers: Vec<String>,
    pub(super) course: Course,
    pub(super) bound: Option<f64>,
    pub(super) style: Style,
}

/// A table.
pub(super) struct Rows {
    pub(super) title: &'static str,
    pub(super) heads: &'static [&'static str],
    pub(super) rows: Vec<Row>,
}

impl Rows {
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
        let longest = widest(self.rows.iter().map(|row| row.name.as_str()))
            .max(6)
            .saturating_add(1);
        let number = widest(self.heads.iter().copied()) + 1;
        let numbers = number * u16::try_from(self.heads.len()).unwrap_or(0);
        let left = area.width.saturating_sub(numbers + 1);
        // Without room for both, the name goes first: by the courses alone nobody knows whose they are.
        let name = longest.min(if left >= ROOMY { left - COURSE } else { left });
        let mut widths = vec![Constraint::Length(1), Constraint::Length(name)];
        widths.extend(self.heads.iter().map(|_| Constraint::Length(number)));
        widths.push(Constraint::Fill(1));
        let columns = Layout::horizontal(widths).split(area);

        let mut lines = area.rows();
        if let Some(line) = lines.next() {
            let places = on_line(&columns, line);
            frame.render_widget(
                Line::styled(self.title, Theme::title()),
                places[1].union(places[2]),
            );
            for (head, place) in self.heads.iter().zip(&places[2..]) {
                let head = Line::styled(*head, screen.theme.quiet()).alignment(Alignment::Right);
                frame.render_widget(head, *place);
            }
        }
        let room = usize::from(area.height.saturating_sub(1));
        let shown = if self.rows.len() > room {
            room.saturating_sub(1)
        } else {
            room
        };
        for (row, line) in self.rows.iter().take(shown).zip(&mut lines) {
            let places = on_line(&columns, line);
            let name = Line::styled(end_of(&row.name, usize::from(name.saturating_sub(1))), row.style);
            frame.render_widget(name, places[1]);
            for (number, place) in row.numbers.iter().zip(&places[2..]) {
                frame.render_widget(Line::raw(number.as_str()).alignment(Alignment::Right), *place);
            }
            let mut place = places[2 + self.heads.len()];
            place.x = (place.x + 1).min(place.right());
            place.width = place.width.saturating_sub(1);
            sparkline::draw(frame, place, &row.course, row.bound, screen.span, row.style);
        }
        if let Some(line) = lines.next()
            && self.rows.len() > shown
        {
            let more = format!("  and {} more", self.rows.len() - shown);
            frame.render_widget(Line::styled(more, screen.theme.quiet()), line);
        }
    }
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> u16 {
    let width = texts.map(|text| text.chars().count()).max().unwrap_or(0);
    u16::try_from(width).unwrap_or(u16::MAX)
}
