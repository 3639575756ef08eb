//! The header with the service and its phase, and the footer with the keys.

use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    style::Color,
    text::{Line, Span},
};

use super::{Screen, Theme, layout::Areas};
use crate::model::{ConnectionState, Model, TimeScale};

pub(super) fn draw(frame: &mut Frame<'_>, areas: &Areas, model: &Model, screen: &Screen) {
    let info = model.service_info();
    let name = info.service.as_str();
    let name = if name.is_empty() { "campanile" } else { name };
    let phase = model.last().map_or("", |sample| sample.phase.as_str());
    let mut left = vec![Span::styled(format!(" {name}"), Theme::title())];
    if !info.version.as_str().is_empty() {
        left.push(Span::raw(format!(" {}", info.version)));
    }
    if info.pid != 0 {
        left.push(Span::styled(format!(" · pid {}", info.pid), screen.theme.quiet()));
    }
    left.push(Span::raw(" · "));
    left.push(Span::styled(phase, screen.theme.of_phase(phase)));
    let right = Span::styled(format!("{} ", screen.target), screen.theme.quiet());
    frame.render_widget(Line::from(right).alignment(Alignment::Right), areas.header);
    frame.render_widget(Line::from(left), areas.header);
    frame.render_widget(banner(model, screen.theme), areas.banner);
}

/// Returns the banner. A lost connection takes precedence, since the phase is then out of date.
fn banner(model: &Model, theme: Theme) -> Line<'static> {
    if let ConnectionState::Lost(error) = model.connection() {
        return Line::styled(
            format!(" Connection lost: {error}. Reconnecting."),
            theme.alarm(Color::Red),
        );
    }
    let Some(last) = model.last() else {
        return Line::default();
    };
    let text = match (last.phase.as_str(), last.seconds_left) {
        ("draining", Some(left)) => format!(
            " Draining: {:.0} s left. Requests are still served; send new ones elsewhere.",
            left.ceil()
        ),
        ("draining", None) => " Draining. Requests are still served; send new ones elsewhere.".to_owned(),
        ("stopping", _) => {
            " Stopping: new connections are not accepted; requests in flight complete.".to_owned()
        }
        ("stopped", _) => " Stopped.".to_owned(),
        _ => return Line::default(),
    };
    Line::styled(text, theme.alarm(Color::Yellow))
}

pub(super) fn draw_footer(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let line = if screen.editing {
        Line::from(vec![
            Span::styled(" ID contains: ", Theme::title()),
            Span::raw(screen.filter.clone()),
            Span::styled("▏", Theme::title()),
            Span::styled("  Enter keeps, Esc clears", screen.theme.quiet()),
        ])
    } else {
        let scale = match screen.time_scale {
            TimeScale::Seconds => "t full history",
            TimeScale::Full => "t seconds",
        };
        Line::styled(
            format!(" q quit   / filter by ID   ↑ ↓ scroll   {scale}"),
            screen.theme.quiet(),
        )
    };
    frame.render_widget(line, area);
}
