//! How long connections waited, printed beside how long they were held back.

use std::time::{Duration, Instant};

use campanile_backlog::{WaitRecorder, waited};
use socket2::{Domain, Socket, Type};

use crate::support::queue::{connect, listen};
use crate::support::seen;

/// A tick of the slowest usual kernel clock, twice.
const TICKS: Duration = Duration::from_millis(20);

const SERIES: &str = "listener_backlog_wait_seconds{listener=here}";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bytes {
    None,
    AtOnce,
    /// When three quarters of the wait are over.
    Late,
}

/// Holds a connection back for that long; returns what it says to have waited, and the bounds of what it did.
fn held_back(address: &str, hold: Duration, bytes: Bytes) -> (Duration, Duration, Duration) {
    let listener = listen(address, 4);
    let begin = Instant::now();
    let client = connect(&listener);
    let connected = Instant::now();
    if bytes == Bytes::AtOnce {
        client.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    }
    std::thread::sleep(hold * 3 / 4);
    if bytes == Bytes::Late {
        client.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    }
    std::thread::sleep(hold / 4);
    let least = connected.elapsed();
    let accepted = listener.accept().unwrap().0;
    let waited = waited(&accepted).expect("the kernel tells");
    (waited, least, begin.elapsed())
}

#[test]
fn a_connection_says_how_long_it_was_held_back_whenever_it_speaks() {
    println!("held back  bytes     waited   really");
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if Socket::new(Domain::IPV6, Type::STREAM, None).is_err() {
            continue;
        }
        for hold in [0, 50, 300, 700].map(Duration::from_millis) {
            for bytes in [Bytes::None, Bytes::AtOnce, Bytes::Late] {
                let (waited, least, most) = held_back(address, hold, bytes);
                println!(
                    "{hold:>9?}  {:<7} {waited:>8?}   {least:.1?} to {most:.1?}",
                    format!("{bytes:?}")
                );
                assert!(waited + TICKS >= hold, "{bytes:?}: {waited:?} of {hold:?}");
                assert!(
                    waited <= most + TICKS,
                    "{bytes:?}: {waited:?} of at most {most:?}"
                );
            }
        }
    }
}

#[test]
fn what_was_waited_is_recorded_in_seconds() {
    let seen = seen::recorder();
    let waits = WaitRecorder::new("here").with_recorder(seen);
    assert_eq!(
        seen.recorded(SERIES),
        None,
        "nothing is registered before the first"
    );
    let listener = listen("127.0.0.1:0", 4);
    let _client = connect(&listener);
    std::thread::sleep(Duration::from_millis(60));
    let told = waits.clone().record(&listener.accept().unwrap().0).unwrap();
    assert_eq!(seen.recorded(SERIES), Some(vec![told.as_secs_f64()]));
    assert!(told + TICKS >= Duration::from_millis(60), "{told:?}");
    assert_eq!(
        seen.described(),
        [("listener_backlog_wait_seconds".to_owned(), "histogram")]
    );
}

#[test]
fn measuring_that_is_off_measures_nothing() {
    let seen = seen::recorder();
    let waits = WaitRecorder::new("here")
        .with_recorder(seen)
        .with_measuring(false);
    let listener = listen("127.0.0.1:0", 4);
    let _client = connect(&listener);
    assert_eq!(waits.record(&listener.accept().unwrap().0), None);
    assert_eq!(seen.recorded(SERIES), None);
}

#[test]
fn a_unix_connection_has_no_waiting_time_and_no_series() {
    let seen = seen::recorder();
    let waits = WaitRecorder::new("here").with_recorder(seen);
    let (one, _other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
    assert_eq!(waited(&one), None);
    assert_eq!((waits.record(&one), waits.record(&one)), (None, None));
    assert_eq!(seen.recorded(SERIES), None);
}
