//! Draws the model. What is chosen by keys (a filter, where the table is, how far back) is the [`Screen`].

mod gauges;
mod header;
mod layout;
mod requests;
mod rows;
mod screen;
mod sparkline;
mod tables;
mod theme;

use ratatui::Frame;

use self::layout::Places;
pub use self::{
    screen::{Reaction, Screen},
    theme::Theme,
};
use crate::model::Model;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, model: &Model, screen: &mut Screen) {
    let places = Places::new(frame.area(), model);
    header::draw(frame, &places, model, screen);
    gauges::draw(frame, places.gauges, model, screen);
    tables::draw(frame, places.tables, model, screen);
    requests::draw(frame, places.requests, model, screen);
    header::draw_footer(frame, places.footer, screen);
}
