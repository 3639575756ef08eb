//! What is chosen by keys.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::Theme;
use crate::model::Span;

/// What a key asks of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// Nothing but to draw again.
    Draw,
    /// To ask the port by the new filter.
    Filter,
    /// To end.
    Leave,
}

/// What is chosen by keys, and what is said beside the model.
#[derive(Debug, Clone)]
pub struct Screen {
    pub(super) target: String,
    pub(super) theme: Theme,
    pub(super) filter: String,
    pub(super) editing: bool,
    pub(super) span: Span,
    /// So many requests are above the table.
    pub(super) above: usize,
    /// So many requests fit into the table, as it was last drawn.
    pub(super) room: usize,
}

impl Screen {
    /// Makes the screen of the port at this address, with nothing chosen.
    #[must_use]
    pub fn new(target: impl Into<String>, theme: Theme) -> Self {
        Self {
            target: target.into(),
            theme,
            filter: String::new(),
            editing: false,
            span: Span::default(),
            above: 0,
            room: 0,
        }
    }

    /// Returns the part of ids that is looked for.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Takes a key.
    pub fn press(&mut self, key: KeyEvent) -> Reaction {
        if key.kind == KeyEventKind::Release {
            return Reaction::Draw;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'C')) {
            return Reaction::Leave;
        }
        if self.editing {
            return self.edit(key.code, control);
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Reaction::Leave,
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Char('t') => self.span = self.span.other(),
            _ => self.scroll(key.code),
        }
        Reaction::Draw
    }

    fn edit(&mut self, key: KeyCode, control: bool) -> Reaction {
        match key {
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.editing = false;
                return self.find(String::new());
            }
            KeyCode::Backspace => {
                let mut filter = self.filter.clone();
                filter.pop();
                return self.find(filter);
            }
            KeyCode::Char('u') if control => return self.find(String::new()),
            // Ids are of these characters.
            KeyCode::Char(character) if character.is_ascii_graphic() && !control => {
                return self.find(format!("{}{character}", self.filter));
            }
            _ => self.scroll(key),
        }
        Reaction::Draw
    }

    fn find(&mut self, filter: String) -> Reaction {
        self.filter = filter;
        self.above = 0;
        Reaction::Filter
    }

    fn scroll(&mut self, key: KeyCode) {
        let page = self.room.saturating_sub(1).max(1);
        self.above = match key {
            KeyCode::Up => self.above.saturating_sub(1),
            KeyCode::Down => self.above.saturating_add(1),
            KeyCode::PageUp => self.above.saturating_sub(page),
            KeyCode::PageDown => self.above.saturating_add(page),
            KeyCode::Home => 0,
            // The table knows its end when it is drawn.
            KeyCode::End => usize::MAX,
            _ => self.above,
        };
    }
}
