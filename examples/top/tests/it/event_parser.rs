//! The parser of server-sent events.

use campanile_top::client::EventParser;

fn parse(bytes: &[u8], chunk: usize) -> Vec<(String, String)> {
    let (mut parser, mut events) = (EventParser::default(), Vec::new());
    for chunk in bytes.chunks(chunk) {
        let read = parser.feed(chunk, |name, data| {
            events.push((name.to_owned(), data.to_owned()));
            Ok(())
        });
        read.expect("short event");
    }
    events
}

#[test]
fn events_do_not_depend_on_chunks() {
    let text = "retry: 1000\n: a comment\nevent: a\ndata: é1\ndata:2\n\nevent: empty\n\ndata: x\r\n\r\nevent: cut\ndata: y";
    let expected = [("a", "é1\n2"), ("", "x")].map(|(name, data)| (name.to_owned(), data.to_owned()));
    for chunk in 1..=text.len() {
        assert_eq!(parse(text.as_bytes(), chunk), expected, "chunks of {chunk}");
    }
}
