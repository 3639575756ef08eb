//! The colours.

use ratatui::style::{Color, Modifier, Style};

/// The colours, or without them bold and reversed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    coloured: bool,
}

impl Theme {
    /// Creates a theme, with colours or without.
    #[must_use]
    pub const fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    pub(super) fn colour(self, colour: Color) -> Style {
        if self.coloured {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    pub(super) fn quiet(self) -> Style {
        self.colour(Color::DarkGray)
    }

    pub(super) fn title() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The style of what needs attention.
    pub(super) fn alarm(self, colour: Color) -> Style {
        self.colour(colour)
            .add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    pub(super) fn of_phase(self, phase: &str) -> Style {
        match phase {
            "ready" => self.colour(Color::Green).add_modifier(Modifier::BOLD),
            "starting" => self.colour(Color::Blue).add_modifier(Modifier::BOLD),
            _ => self.alarm(Color::Yellow),
        }
    }

    /// The style of a status code.
    pub(super) fn of_code(self, code: &str) -> Style {
        match code.as_bytes().first() {
            Some(b'2') => self.colour(Color::Green),
            Some(b'3') => self.colour(Color::Blue),
            Some(b'4') => self.colour(Color::Yellow),
            Some(b'5') => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            _ => Style::new(),
        }
    }
}
