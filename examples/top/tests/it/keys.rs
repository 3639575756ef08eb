//! The effects of keys.

use campanile_top::view::{KeyAction, Screen, Theme};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn press(screen: &mut Screen, code: KeyCode) -> KeyAction {
    screen.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen() -> Screen {
    Screen::new("127.0.0.1:6060", Theme::new(false))
}

#[test]
fn q_escape_and_control_c_quit() {
    for code in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(press(&mut screen(), code), KeyAction::Quit);
    }
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen().press(control_c), KeyAction::Quit);
    let mut editing = screen();
    press(&mut editing, KeyCode::Char('/'));
    assert_eq!(editing.press(control_c), KeyAction::Quit);
}

#[test]
fn slash_edits_the_filter() {
    let mut screen = screen();
    for key in "/aq /é".chars() {
        press(&mut screen, KeyCode::Char(key));
    }
    assert_eq!(screen.filter(), "aq/", "IDs are printable ASCII");
    assert_eq!(press(&mut screen, KeyCode::Backspace), KeyAction::FilterChanged);
    assert_eq!(press(&mut screen, KeyCode::Enter), KeyAction::Redraw);
    assert_eq!(screen.filter(), "aq");
    assert_eq!(
        press(&mut screen, KeyCode::Char('q')),
        KeyAction::Quit,
        "the filter is no longer edited"
    );
    press(&mut screen, KeyCode::Char('/'));
    assert_eq!(press(&mut screen, KeyCode::Esc), KeyAction::FilterChanged);
    assert_eq!(screen.filter(), "");
}
