//! The first lines and the last: who it is, how far it is, and the keys.

use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    style::Color,
    text::{Line, Span},
};

use super::{Screen, Theme, layout::Places};
use crate::model::{Link, Model, Span as Back};

pub(super) fn draw(frame: &mut Frame<'_>, places: &Places, model: &Model, screen: &Screen) {
    let about = model.about();
    let name = about.service.as_str();
    let name = if name.is_empty() { "campanile" } else { name };
    let phase = model.last().map_or("", |sample| sample.phase.as_str());
    let mut left = vec![Span::styled(format!(" {name}"), Theme::title())];
    if !about.version.as_str().is_empty() {
        left.push(Span::raw(format!(" {}", about.version)));
    }
    if about.pid != 0 {
        left.push(Span::styled(
            format!(" · pid {}", about.pid),
            screen.theme.quiet(),
        ));
    }
    left.push(Span::raw(" · "));
    left.push(Span::styled(phase, screen.theme.of_phase(phase)));
    let right = Span::styled(format!("{} ", screen.target), screen.theme.quiet());
    frame.render_widget(Line::from(right).alignment(Alignment::Right), places.header);
    frame.render_widget(Line::from(left), places.header);
    frame.render_widget(banner(model, screen.theme), places.banner);
}

/// What is out of the ordinary; the loss of the port first, since all else is then old.
fn banner(model: &Model, theme: Theme) -> Line<'static> {
    if let Link::Lost(why) = model.link() {
        return Line::styled(
            format!(" Lost: the port {why}. Reconnecting."),
            theme.alarm(Color::Red),
        );
    }
    let Some(last) = model.last() else {
        return Line::default();
    };
    let said = match (last.phase.as_str(), last.seconds_left) {
        ("draining", Some(left)) => format!(
            " Draining: {:.0} s left. All is still served; new requests should go elsewhere.",
            left.ceil()
        ),
        ("draining", None) => " Draining. New requests should go elsewhere.".to_owned(),
        ("stopping", _) => " Stopping: nothing new is accepted, what is in flight may end.".to_owned(),
        ("stopped", _) => " Stopped.".to_owned(),
        _ => return Line::default(),
    };
    Line::styled(said, theme.alarm(Color::Yellow))
}

pub(super) fn draw_footer(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let line = if screen.editing {
        Line::from(vec![
            Span::styled(" id has: ", Theme::title()),
            Span::raw(screen.filter.clone()),
            Span::styled("▏", Theme::title()),
            Span::styled("  Enter keeps it, Esc clears it", screen.theme.quiet()),
        ])
    } else {
        let other = match screen.span {
            Back::Seconds => "t five minutes",
            Back::Whole => "t seconds",
        };
        Line::styled(
            format!(" q leave   / filter by id   ↑ ↓ scroll   {other}"),
            screen.theme.quiet(),
        )
    };
    frame.render_widget(line, area);
}
