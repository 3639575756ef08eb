//! A table whose rows have a name, numbers and a sparkline.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::Style,
    text::Line,
};

use super::{Screen, Theme, layout::on_line, sparkline};
use crate::{format::truncate_start, model::Series};

/// The width from which long names leave room for a sparkline.
const MIN_WIDTH_WITH_SPARKLINE: u16 = 24;
const MIN_SPARKLINE: u16 = 7;

/// A row of a table.
pub(super) struct TableRow {
    pub(super) name: String,
    pub(super) numbers: Vec<String>,
    pub(super) series: Series,
    pub(super) limit: Option<f64>,
    pub(super) style: Style,
}

/// A table with a title.
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) heads: &'static [&'static str],
    pub(super) rows: Vec<TableRow>,
}

impl Table {
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
        let longest = widest(self.rows.iter().map(|row| row.name.as_str()))
            .max(6)
            .saturating_add(1);
        let number = widest(self.heads.iter().copied()) + 1;
        let numbers = number * u16::try_from(self.heads.len()).unwrap_or(0);
        let left = area.width.saturating_sub(numbers + 1);
        // Without room for both, the name takes precedence over the sparkline.
        let name = longest.min(if left >= MIN_WIDTH_WITH_SPARKLINE {
            left - MIN_SPARKLINE
        } else {
            left
        });
        let mut widths = vec![Constraint::Length(1), Constraint::Length(name)];
        widths.extend(self.heads.iter().map(|_| Constraint::Length(number)));
        widths.push(Constraint::Fill(1));
        let columns = Layout::horizontal(widths).split(area);

        let mut lines = area.rows();
        if let Some(line) = lines.next() {
            let areas = on_line(&columns, line);
            frame.render_widget(Line::styled(self.title, Theme::title()), areas[1].union(areas[2]));
            for (head, cell) in self.heads.iter().zip(&areas[2..]) {
                let head = Line::styled(*head, screen.theme.quiet()).alignment(Alignment::Right);
                frame.render_widget(head, *cell);
            }
        }
        let available = usize::from(area.height.saturating_sub(1));
        let shown = if self.rows.len() > available {
            available.saturating_sub(1)
        } else {
            available
        };
        for (row, line) in self.rows.iter().take(shown).zip(&mut lines) {
            let areas = on_line(&columns, line);
            let name = Line::styled(
                truncate_start(&row.name, usize::from(name.saturating_sub(1))),
                row.style,
            );
            frame.render_widget(name, areas[1]);
            for (number, cell) in row.numbers.iter().zip(&areas[2..]) {
                frame.render_widget(Line::raw(number.as_str()).alignment(Alignment::Right), *cell);
            }
            let mut cell = areas[2 + self.heads.len()];
            cell.x = (cell.x + 1).min(cell.right());
            cell.width = cell.width.saturating_sub(1);
            sparkline::draw(frame, cell, &row.series, row.limit, screen.time_scale, row.style);
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
