//! Waiting times, compared with how long the connections were held back.

use std::time::{Duration, Instant};

use campanile_backlog::{WaitRecorder, waited};
use socket2::{Domain, Socket, Type};

use crate::support::queue::{connect, listen};
use crate::support::recorder::recorder;

/// Two ticks of the slowest common kernel clock.
const TICKS: Duration = Duration::from_millis(20);

const SERIES: &str = "listener_backlog_wait_seconds{listener=here}";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bytes {
    None,
    AtOnce,
    /// After three quarters of the wait.
    Late,
}

/// Accepts a connection after `hold`; returns the reported waiting time, and bounds of the real one.
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
    let waited = waited(&accepted).expect("the kernel reports it");
    (waited, least, begin.elapsed())
}

#[test]
fn waiting_time_does_not_depend_on_when_the_client_sends() {
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
fn waiting_time_is_recorded_in_seconds() {
    let metrics = recorder();
    let waits = WaitRecorder::new("here").with_recorder(metrics);
    assert_eq!(
        metrics.recorded(SERIES),
        None,
        "nothing is registered before the first"
    );
    let listener = listen("127.0.0.1:0", 4);
    let _client = connect(&listener);
    std::thread::sleep(Duration::from_millis(60));
    let waited = waits.clone().record(&listener.accept().unwrap().0).unwrap();
    assert_eq!(metrics.recorded(SERIES), Some(vec![waited.as_secs_f64()]));
    assert!(waited + TICKS >= Duration::from_millis(60), "{waited:?}");
    assert_eq!(
        metrics.described(),
        [("listener_backlog_wait_seconds".to_owned(), "histogram")]
    );
}

#[test]
fn nothing_is_measured_while_it_is_off() {
    let metrics = recorder();
    let waits = WaitRecorder::new("here")
        .with_recorder(metrics)
        .with_measuring(false);
    let listener = listen("127.0.0.1:0", 4);
    let _client = connect(&listener);
    assert_eq!(waits.record(&listener.accept().unwrap().0), None);
    assert_eq!(metrics.recorded(SERIES), None);
}

#[test]
fn unix_connections_have_no_waiting_time() {
    let metrics = recorder();
    let waits = WaitRecorder::new("here").with_recorder(metrics);
    let (one, _other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
    assert_eq!(waited(&one), None);
    assert_eq!((waits.record(&one), waits.record(&one)), (None, None));
    assert_eq!(metrics.recorded(SERIES), None);
}
