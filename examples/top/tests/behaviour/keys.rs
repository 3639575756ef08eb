//! What keys do.

use campanile_top::view::{Reaction, Screen, Theme};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn press(screen: &mut Screen, code: KeyCode) -> Reaction {
    screen.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen() -> Screen {
    Screen::new("127.0.0.1:6060", Theme::new(false))
}

#[test]
fn q_escape_and_control_c_leave() {
    for code in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(press(&mut screen(), code), Reaction::Leave);
    }
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen().press(control_c), Reaction::Leave);
    let mut editing = screen();
    press(&mut editing, KeyCode::Char('/'));
    assert_eq!(editing.press(control_c), Reaction::Leave);
}

#[test]
fn a_filter_is_written_after_a_slash() {
    let mut screen = screen();
    for key in "/aq /é".chars() {
        press(&mut screen, KeyCode::Char(key));
    }
    assert_eq!(
        screen.filter(),
        "aq/",
        "ids have neither blanks nor letters beyond ASCII"
    );
    assert_eq!(press(&mut screen, KeyCode::Backspace), Reaction::Filter);
    assert_eq!(press(&mut screen, KeyCode::Enter), Reaction::Draw);
    assert_eq!(screen.filter(), "aq");
    assert_eq!(
        press(&mut screen, KeyCode::Char('q')),
        Reaction::Leave,
        "it is no longer written"
    );
    press(&mut screen, KeyCode::Char('/'));
    assert_eq!(press(&mut screen, KeyCode::Esc), Reaction::Filter);
    assert_eq!(screen.filter(), "");
}
