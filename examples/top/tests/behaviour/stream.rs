//! Bytes, read as events.

use campanile_top::client::Stream;

fn read(bytes: &[u8], piece: usize) -> Vec<(String, String)> {
    let (mut stream, mut events) = (Stream::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        let read = stream.feed(piece, |name, data| {
            events.push((name.to_owned(), data.to_owned()));
            Ok(())
        });
        read.expect("it is short");
    }
    events
}

#[test]
fn events_are_read_the_same_however_the_bytes_are_cut() {
    let text = "retry: 1000\n: said to nobody\nevent: a\ndata: é1\ndata:2\n\nevent: empty\n\ndata: x\r\n\r\nevent: cut\ndata: y";
    let expected = [("a", "é1\n2"), ("", "x")].map(|(name, data)| (name.to_owned(), data.to_owned()));
    for piece in 1..=text.len() {
        assert_eq!(read(text.as_bytes(), piece), expected, "pieces of {piece}");
    }
}
