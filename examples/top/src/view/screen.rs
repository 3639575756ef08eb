//! The state that keys change.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::Theme;
use crate::model::TimeScale;

/// The effect of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAction {
    /// Only redraws.
    Redraw,
    /// The filter changed.
    FilterChanged,
    /// Quits the program.
    Quit,
}

/// The state of the screen, other than the model.
#[derive(Debug, Clone)]
pub struct Screen {
    pub(super) target: String,
    pub(super) theme: Theme,
    pub(super) filter: String,
    pub(super) editing: bool,
    pub(super) time_scale: TimeScale,
    /// The number of requests that are scrolled out at the top.
    pub(super) scroll_offset: usize,
    /// The number of rows of the table when it was last drawn.
    pub(super) visible_rows: usize,
}

impl Screen {
    /// Creates the initial screen of the port at this address.
    #[must_use]
    pub fn new(target: impl Into<String>, theme: Theme) -> Self {
        Self {
            target: target.into(),
            theme,
            filter: String::new(),
            editing: false,
            time_scale: TimeScale::default(),
            scroll_offset: 0,
            visible_rows: 0,
        }
    }

    /// Returns the filter, a part of request IDs.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Handles a key.
    pub fn press(&mut self, key: KeyEvent) -> KeyAction {
        if key.kind == KeyEventKind::Release {
            return KeyAction::Redraw;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'C')) {
            return KeyAction::Quit;
        }
        if self.editing {
            return self.edit(key.code, control);
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return KeyAction::Quit,
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Char('t') => self.time_scale = self.time_scale.toggled(),
            _ => self.scroll(key.code),
        }
        KeyAction::Redraw
    }

    fn edit(&mut self, key: KeyCode, control: bool) -> KeyAction {
        match key {
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.editing = false;
                return self.set_filter(String::new());
            }
            KeyCode::Backspace => {
                let mut filter = self.filter.clone();
                filter.pop();
                return self.set_filter(filter);
            }
            KeyCode::Char('u') if control => return self.set_filter(String::new()),
            // IDs consist of these characters.
            KeyCode::Char(character) if character.is_ascii_graphic() && !control => {
                return self.set_filter(format!("{}{character}", self.filter));
            }
            _ => self.scroll(key),
        }
        KeyAction::Redraw
    }

    fn set_filter(&mut self, filter: String) -> KeyAction {
        self.filter = filter;
        self.scroll_offset = 0;
        KeyAction::FilterChanged
    }

    fn scroll(&mut self, key: KeyCode) {
        let page = self.visible_rows.saturating_sub(1).max(1);
        self.scroll_offset = match key {
            KeyCode::Up => self.scroll_offset.saturating_sub(1),
            KeyCode::Down => self.scroll_offset.saturating_add(1),
            KeyCode::PageUp => self.scroll_offset.saturating_sub(page),
            KeyCode::PageDown => self.scroll_offset.saturating_add(page),
            KeyCode::Home => 0,
            // Clamped when the table is drawn.
            KeyCode::End => usize::MAX,
            _ => self.scroll_offset,
        };
    }
}
