//! Living and dead processes add up.

use campanile_recorder::CellRecorder;

use super::{Scratch, child::Child, count, render, value};

#[test]
fn two_processes_add_up() {
    let scratch = Scratch::new("two");
    let recorder = CellRecorder::builder().open(scratch.path()).expect("opens");
    count(&recorder, "hits_total", 2);
    let mut child = Child::spawn(scratch.path());
    child.ask("count hits_total 40");
    child.ask("gauge level 5");
    child.ask("observe wait_seconds 0.25");
    for text in [render(&recorder), child.ask("scrape")] {
        assert_eq!(value(&text, "hits_total"), Some(42.0), "{text}");
        assert_eq!(value(&text, "level"), Some(5.0), "{text}");
        assert_eq!(value(&text, "wait_seconds_count"), Some(1.0), "{text}");
    }
    child.kill();
    let text = render(&recorder);
    assert_eq!(value(&text, "hits_total"), Some(42.0), "{text}");
    assert_eq!(value(&text, "level"), None, "{text}");
    assert_eq!(value(&text, "wait_seconds_sum"), Some(0.25), "{text}");
    assert_eq!(scratch.cells().len(), 1, "{:?}", scratch.names());
}
