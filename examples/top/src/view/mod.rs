//! Draws the model. The [`Screen`] has the state that keys change: filter, scroll offset and time scale.

mod gauges;
mod header;
mod layout;
mod requests;
mod screen;
mod sparkline;
mod table;
mod tables;
mod theme;

use ratatui::Frame;

use self::layout::Areas;
pub use self::{
    screen::{KeyAction, Screen},
    theme::Theme,
};
use crate::model::Model;

/// Draws a frame.
pub fn draw(frame: &mut Frame<'_>, model: &Model, screen: &mut Screen) {
    let areas = Areas::new(frame.area(), model);
    header::draw(frame, &areas, model, screen);
    gauges::draw(frame, areas.gauges, model, screen);
    tables::draw(frame, areas.tables, model, screen);
    requests::draw(frame, areas.requests, model, screen);
    header::draw_footer(frame, areas.footer, screen);
}
