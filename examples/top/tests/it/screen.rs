//! Drawn screens. `BLESS=1 cargo test -p campanile-top` updates the golden files.

use campanile_top::{
    model::{Event, Model, Update},
    view::{Screen, Theme, draw},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, style::Color};

use crate::recorded::model;

fn screen() -> Screen {
    Screen::new("127.0.0.1:6060", Theme::new(true))
}

fn drawn(model: &Model, screen: &mut Screen, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("infallible");
    terminal
        .draw(|frame| draw(frame, model, screen))
        .expect("infallible");
    terminal
}

fn text(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let lines = buffer.area.rows().map(|row| {
        let line: String = row
            .positions()
            .map(|position| buffer[position].symbol())
            .collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn assert_golden(name: &str, seen: &str) {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, seen).expect("written");
    }
    let golden = std::fs::read_to_string(&path).expect("golden file exists");
    assert_eq!(seen, golden, "{path}, seen:\n{seen}");
}

fn press(screen: &mut Screen, code: KeyCode) {
    screen.press(KeyEvent::new(code, KeyModifiers::NONE));
}

/// A busy service, in its second minute.
fn busy(phase: &str) -> Model {
    let mut model = Model::default();
    let mut apply = |name: &str, data: String| {
        model.apply(Update::Event(
            Event::parse(name, &data)
                .expect("valid JSON")
                .expect("known event"),
        ));
    };
    apply(
        "history",
        r#"{"length":300,"pid":4711,"service":"edge","version":"2.0.0"}"#.to_owned(),
    );
    for second in 0..90u32 {
        let (wave, slow) = (second % 20, f64::from(second % 7) / 1000.0);
        let calls: Vec<_> = (0..9)
            .map(|host| {
                format!(
                    r#"{{"host":"host-{host}.example","requests":{},"errors":{host},"in_flight":1}}"#,
                    wave * host
                )
            })
            .collect();
        apply("sample", format!(
            r#"{{"requests":{},"codes":{{"200":{wave},"204":3,"302":0.2,"404":1.5,"500":0.5,"503":{},"OTHERS":9}},
                "latency":[{slow},{},0.25],"in_flight":{},"concurrency_limit":40,"shed":2.5,"connections":{wave},
                "connection_limit":10000,"listeners":[{{"listener":"[::1]:8080","pending":{wave},"limit":128,"overflows":0}},
                {{"listener":"unix:/run/edge/a-rather-long-name-of-a-socket.sock","pending":64,"limit":64,"overflows":12345}}],
                "calls":[{}],"phase":"{phase}","seconds_left":null}}"#,
            wave * 10, wave / 2, slow * 2.0, wave + 20, calls.join(","),
        ).replace('\n', ""));
    }
    let rows: Vec<_> = (0..100)
        .map(|row| {
            let (age, id) = (f64::from(100 - row) * 1.7, row * 7919);
            format!(
                r#"{{"id":"6f1e0d9c-7a3b-4c55-9e21-{id:012}","method":"GET","route":"/orders/{{id}}/lines",
                "age_seconds":{age},"phase":"calling","host":"host-{}.example"}}"#,
                row % 9
            )
            .replace('\n', "")
        })
        .collect();
    apply(
        "requests",
        format!(r#"{{"total":123,"requests":[{}]}}"#, rows.join(",")),
    );
    model
}

#[test]
fn recorded_stream_is_drawn() {
    assert_golden("recorded-80x24", &text(&drawn(&model(), &mut screen(), 80, 24)));
}

#[test]
fn busy_service_is_drawn_small_and_large() {
    let model = busy("ready");
    assert_golden("busy-80x24", &text(&drawn(&model, &mut screen(), 80, 24)));
    assert_golden("busy-200x60", &text(&drawn(&model, &mut screen(), 200, 60)));
    let mut full = screen();
    press(&mut full, KeyCode::Char('t'));
    assert_golden(
        "busy-80x24-full-history",
        &text(&drawn(&model, &mut full, 80, 24)),
    );
}

#[test]
fn lost_connection_is_shown_in_the_banner() {
    let mut model = busy("draining");
    model.apply(Update::Lost("cannot connect: Connection refused".to_owned()));
    let seen = text(&drawn(&model, &mut screen(), 80, 24));
    assert!(
        seen.contains("Connection lost: cannot connect: Connection refused. Reconnecting."),
        "{seen}"
    );
}

#[test]
fn table_scrolls_to_its_end() {
    let (model, mut screen) = (busy("ready"), screen());
    let first = text(&drawn(&model, &mut screen, 80, 24));
    press(&mut screen, KeyCode::Down);
    let second = text(&drawn(&model, &mut screen, 80, 24));
    assert!(
        first.contains("shown 1 to ") && second.contains("shown 2 to "),
        "{first}{second}"
    );
    for key in [KeyCode::End, KeyCode::Down, KeyCode::PageDown] {
        press(&mut screen, key);
    }
    let last = text(&drawn(&model, &mut screen, 80, 24));
    assert!(
        last.contains(" to 100 of the oldest 100") && last.contains("000000783981"),
        "{last}"
    );
    press(&mut screen, KeyCode::Up);
    let before = text(&drawn(&model, &mut screen, 80, 24));
    assert!(
        before.contains(" to 99 of the oldest 100"),
        "scrolling back starts immediately: {before}"
    );
    press(&mut screen, KeyCode::Home);
    assert_eq!(text(&drawn(&model, &mut screen, 80, 24)), first);
}

#[test]
fn filter_is_shown_and_kept() {
    let (model, mut screen) = (busy("ready"), screen());
    for key in "/-000000007919".chars() {
        press(&mut screen, KeyCode::Char(key));
    }
    let seen = text(&drawn(&model, &mut screen, 80, 24));
    assert!(seen.contains("with ID -000000007919: 1, shown 1 to 1"), "{seen}");
    assert!(seen.contains("ID contains: -000000007919▏"), "{seen}");
}

#[test]
fn alarms_are_marked_without_colours() {
    let mut plain = Screen::new("127.0.0.1:6060", Theme::new(false));
    let seen = drawn(&busy("stopping"), &mut plain, 80, 24);
    let cells = seen.backend().buffer().content();
    assert!(
        cells
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    assert!(
        cells
            .iter()
            .any(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED))
    );
    let coloured = drawn(&busy("stopping"), &mut screen(), 80, 24);
    assert!(
        coloured
            .backend()
            .buffer()
            .content()
            .iter()
            .any(|cell| cell.fg != Color::Reset)
    );
}

#[test]
fn every_terminal_size_is_drawn() {
    for model in [Model::default(), model(), busy("draining")] {
        for width in [1, 2, 15, 40, 79, 120, 250] {
            for height in [1, 2, 5, 9, 13, 24, 100] {
                drawn(&model, &mut screen(), width, height);
            }
        }
    }
}
