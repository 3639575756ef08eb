//! HTTP/2 clients that do not take their responses, and clients whose frames are no progress.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_server::Server;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame as BodyFrame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;
use tower::service_fn;
use tower::util::BoxCloneService;

use crate::frames::{CANCEL, DATA, Frames, GOAWAY, INITIAL_WINDOW, RST_STREAM};
use crate::support::{Running, ms, start, timed, times, within};

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Service = BoxCloneService<Request<Incoming>, Response<Body>, Infallible>;

const MEGABYTE: usize = 1 << 20;

/// A body of pieces, which holds `held` until it is dropped.
fn pieces(length: usize, piece: usize, held: Arc<()>) -> Body {
    let frames = stream::unfold((length, held), move |(left, held)| async move {
        let bytes = left.min(piece);
        (bytes > 0).then(|| {
            let frame = BodyFrame::data(Bytes::from(vec![b'x'; bytes]));
            (Ok(frame), (left - bytes, held))
        })
    });
    StreamBody::new(frames).boxed_unsync()
}

/// An event every `pause`, 5 in all.
fn events(pause: Duration) -> Body {
    let frames = stream::unfold(0, move |sent| async move {
        if sent == 5 {
            return None;
        }
        sleep(pause).await;
        Some((Ok(BodyFrame::data(Bytes::from_static(b"data: x\n\n"))), sent + 1))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// `/whole` is one frame of a megabyte, `/pieces` many, `/small` two bytes, `/events` a quiet event stream, `/poll` a long
/// poll. The bodies of `/pieces` hold a clone of `held`.
fn service(held: &Arc<()>) -> Service {
    // Clones of the service clone the outer pointer.
    let held = Arc::new(Arc::clone(held));
    service_fn(move |request: Request<Incoming>| {
        let held = Arc::clone(&held);
        async move {
            let whole = |bytes: usize| Full::from(vec![b'x'; bytes]).boxed_unsync();
            let body = match request.uri().path() {
                "/whole" => whole(MEGABYTE),
                "/pieces" => pieces(MEGABYTE, 8192, Arc::clone(&held)),
                "/events" => events(ms(500)),
                "/poll" => {
                    sleep(ms(1500)).await;
                    whole(2)
                }
                "/upload" => {
                    // Slow to read, by the application's own fault.
                    sleep(ms(1500)).await;
                    let read = request.into_body().collect().await;
                    whole(read.map_or(1, |read| read.to_bytes().len()))
                }
                _ => whole(2),
            };
            Ok(Response::new(body))
        }
    })
    .boxed_clone()
}

fn recorder() -> &'static DebuggingRecorder {
    Box::leak(Box::new(DebuggingRecorder::new()))
}

fn counter(recorder: &DebuggingRecorder, name: &str) -> u64 {
    let values = recorder.snapshotter().snapshot().into_vec();
    values
        .into_iter()
        .filter(|(key, ..)| key.key().name() == name)
        .map(|(.., value)| match value {
            DebugValue::Counter(count) => count,
            _ => 0,
        })
        .sum()
}

async fn started(idle: u64) -> (Running, Arc<()>, &'static DebuggingRecorder) {
    let held = Arc::new(());
    let recorder = recorder();
    let server = Server::new(service(&held))
        .recorder(recorder)
        .idle_timeout(ms(idle));
    (start(times(0, 20_000), server).await, held, recorder)
}

#[tokio::test]
async fn stream_with_a_closed_window_is_reset_and_the_others_go_on() {
    let (running, held, recorder) = started(400).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    for (stream, path) in [(1, "/pieces"), (3, "/whole")] {
        client.get(stream, path).await;
        client.head(stream).await;
    }
    let (mut open, began) = (vec![1, 3], Instant::now());
    while !open.is_empty() {
        let reset = client.until("a reset", |frame| frame.kind == RST_STREAM).await;
        assert_eq!(reset.reset_code(), Some(CANCEL), "{reset:?}");
        open.retain(|stream| *stream != reset.stream);
    }
    assert!(began.elapsed() > ms(350), "{:?}", began.elapsed());
    within("the drop of the body", async {
        while Arc::strong_count(&held) > 2 {
            sleep(ms(2)).await;
        }
    })
    .await;
    assert_eq!(counter(recorder, "http_server_stalled_responses_total"), 2);
    client.get(5, "/small").await;
    client.head(5).await;
    client.open_window(5, 10).await.unwrap();
    client
        .until("the end of the stream", |frame| {
            frame.stream == 5 && frame.ends_stream()
        })
        .await;
}

#[tokio::test]
async fn stream_that_the_client_resets_ends_at_once() {
    let (running, held, recorder) = started(75_000).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    for (stream, path) in [(1, "/pieces"), (3, "/whole"), (5, "/small")] {
        client.get(stream, path).await;
        client.head(stream).await;
        sleep(ms(20)).await;
        let code = CANCEL.to_be_bytes();
        client.send(RST_STREAM, 0, stream, &code).await.unwrap();
    }
    within("the drop of the body", async {
        while Arc::strong_count(&held) > 2 {
            sleep(ms(2)).await;
        }
    })
    .await;
    drop(client);
    running.in_flight(1).await;
    running.handle.drain();
    let report = running.stopped().await;
    assert_eq!((report.cut_requests(), report.drained_requests()), (0, 0));
    assert_eq!(counter(recorder, "http_server_stalled_responses_total"), 0);
}

/// With streams on another thread than their connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_are_whole_or_reset() {
    let (running, held, recorder) = started(1000).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.open_window(0, 1 << 30).await.unwrap();
    for number in 0..100 {
        client
            .get(2 * number + 1, if number % 2 == 0 { "/pieces" } else { "/whole" })
            .await;
    }
    let (mut open, mut taken, mut whole, mut reset) = (100, [0; 100], 0, 0);
    for number in (0..100).step_by(5) {
        client.open_window(2 * number + 1, 2 << 20).await.unwrap();
    }
    while open > 0 {
        let frame = client
            .until("an end", |frame| matches!(frame.kind, DATA | RST_STREAM | GOAWAY))
            .await;
        assert_ne!(frame.kind, GOAWAY, "{open} open, {whole} whole, {reset} reset");
        let number = (frame.stream / 2) as usize;
        if frame.kind == RST_STREAM {
            assert!(!number.is_multiple_of(5), "{number} after {}", taken[number]);
            reset += 1;
            open -= 1;
            continue;
        }
        taken[number] += frame.payload.len();
        if frame.ends_stream() {
            assert_eq!(taken[number], MEGABYTE);
            whole += 1;
            open -= 1;
        }
    }
    assert_eq!((whole, reset), (20, 80));
    within("the drop of the bodies", async {
        while Arc::strong_count(&held) > 2 {
            sleep(ms(2)).await;
        }
    })
    .await;
    assert_eq!(counter(recorder, "http_server_stalled_responses_total"), 80);
}

#[tokio::test]
async fn stream_is_reset_once_the_connection_window_is_used_up() {
    let (running, _held, _) = started(400).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 8 << 20)]).await;
    client.get(1, "/pieces").await;
    client.get(3, "/whole").await;
    let mut open = vec![1, 3];
    while !open.is_empty() {
        let reset = client.until("a reset", |frame| frame.kind == RST_STREAM).await;
        open.retain(|stream| *stream != reset.stream);
    }
}

#[tokio::test]
async fn window_that_opens_by_a_byte_at_a_time_is_no_progress() {
    let (running, _held, _) = started(400).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.get(1, "/pieces").await;
    let dripping = async {
        loop {
            sleep(ms(20)).await;
            client.open_window(1, 1).await.unwrap();
            while let Ok(Some(frame)) = tokio::time::timeout(ms(1), client.next()).await {
                if frame.kind == RST_STREAM {
                    return;
                }
            }
        }
    };
    within("a reset", dripping).await;
}

#[tokio::test]
async fn slow_client_that_makes_progress_is_served() {
    let (running, _held, _) = started(600).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.open_window(0, 2 << 20).await.unwrap();
    client.get(1, "/pieces").await;
    let began = Instant::now();
    let mut taken = 0;
    while taken < MEGABYTE {
        client.open_window(1, 65_536).await.unwrap();
        sleep(ms(150)).await;
        let target = (taken + 65_536).min(MEGABYTE);
        while taken < target {
            let frame = client
                .until("data", |frame| matches!(frame.kind, DATA | RST_STREAM))
                .await;
            assert_eq!(frame.kind, DATA, "reset after {taken}");
            taken += frame.payload.len();
        }
    }
    assert!(began.elapsed() > ms(1800));
}

#[tokio::test]
async fn response_that_waits_for_the_application_is_not_reset() {
    let (running, _held, _) = started(200).await;
    // Enough for all events, and never opened again.
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 1000)]).await;
    client.get(1, "/events").await;
    client.get(3, "/poll").await;
    client.request(5, 0x83, "/upload", 0).await;
    client.send(DATA, 0, 5, &[b'u'; 4000]).await.unwrap();
    sleep(ms(1000)).await;
    client.send(DATA, 1, 5, &[]).await.unwrap();
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let frame = client
            .until("an end", |frame| frame.ends_stream() || frame.kind == RST_STREAM)
            .await;
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        ended.push(frame.stream);
        // Its own response exceeds the window.
        ended.retain(|stream| *stream != 5);
    }
}

#[tokio::test]
async fn ended_stream_whose_last_bytes_are_not_taken_ends_the_connection() {
    let (running, _held, recorder) = started(400).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.get(1, "/small").await;
    client.head(1).await;
    client.until("a GOAWAY", |frame| frame.kind == GOAWAY).await;
    let ((), took) = timed(client.end()).await;
    assert!(took < ms(9000), "{took:?}");
    running.in_flight(1).await;
    assert_eq!(counter(recorder, "http_server_stalled_responses_total"), 1);
}

/// Sends pings until the connection ends, without an acknowledgement of the server's.
async fn ping_to_the_end(client: &mut Frames) {
    let pinging = async {
        loop {
            sleep(ms(100)).await;
            if client.ping().await.is_err() {
                return;
            }
            loop {
                match tokio::time::timeout(ms(1), client.next()).await {
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
        }
    };
    within("the end", pinging).await;
}

#[tokio::test]
async fn frames_do_not_keep_a_connection_open_that_is_idle_or_too_old() {
    let (idle, _held, _) = started(300).await;
    let old = Server::new(service(&Arc::default())).max_age(ms(300));
    let old = start(times(0, 20_000), old).await;
    let ending = [&idle, &old].map(async |running| {
        let mut client = Frames::connect(running, &[]).await;
        client.get(1, "/small").await;
        client.until("the response", |frame| frame.ends_stream()).await;
        timed(ping_to_the_end(&mut client)).await.1
    });
    for took in futures_util::future::join_all(ending).await {
        assert!(took > ms(250) && took < ms(9000), "{took:?}");
    }
}

#[tokio::test]
async fn frames_do_not_hold_the_shutdown() {
    let (running, _held, _) = started(75_000).await;
    let mut served = Frames::connect(&running, &[]).await;
    served.get(1, "/small").await;
    served.until("the response", |frame| frame.ends_stream()).await;
    let mut unused = Frames::connect(&running, &[]).await;
    unused.until("SETTINGS", |_| true).await;
    running.handle.drain();
    let pinging = async {
        tokio::join!(ping_to_the_end(&mut served), ping_to_the_end(&mut unused));
    };
    let (((), report), took) = timed(async { tokio::join!(pinging, running.stopped()) }).await;
    assert!(!report.was_cut());
    assert!(took < ms(9000), "{took:?}");
}

#[tokio::test]
async fn stalled_streams_do_not_hold_the_shutdown() {
    let (running, _held, recorder) = started(75_000).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    for (stream, path) in [(1, "/pieces"), (3, "/whole"), (5, "/small")] {
        client.get(stream, path).await;
        client.head(stream).await;
    }
    running.handle.drain();
    let pinging = ping_to_the_end(&mut client);
    let (((), report), took) = timed(async { tokio::join!(pinging, running.stopped()) }).await;
    assert_eq!(report.cut_requests(), 3);
    assert!(took < ms(15_000), "{took:?}");
    assert_eq!(counter(recorder, "http_server_stalled_responses_total"), 3);
}

#[tokio::test]
async fn response_that_is_not_taken_counts_as_cut_and_not_as_drained() {
    let held = Arc::default();
    let running = start(times(0, 500), Server::new(service(&held))).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.get(1, "/small").await;
    client.head(1).await;
    let mut half = Frames::connect(&running, &[(INITIAL_WINDOW, 1)]).await;
    half.get(1, "/small").await;
    half.until("a byte", |frame| frame.kind == DATA).await;
    let mut whole = Frames::connect(&running, &[]).await;
    whole.get(1, "/poll").await;
    running.in_flight(4).await;
    sleep(ms(50)).await;
    running.handle.drain();
    let report = running.stopped().await;
    assert_eq!((report.cut_requests(), report.drained_requests()), (3, 0));
}

#[tokio::test]
async fn response_that_is_taken_in_the_drain_counts_as_drained() {
    let held = Arc::default();
    let running = start(times(0, 10_000), Server::new(service(&held))).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.get(1, "/small").await;
    client.head(1).await;
    client.get(3, "/pieces").await;
    client.head(3).await;
    running.handle.drain();
    running.handle.drain_elapsed().await;
    client.open_window(0, 2 << 20).await.unwrap();
    for stream in [1, 3] {
        client.open_window(stream, 2 << 20).await.unwrap();
        client
            .until("an end", |frame| frame.stream == stream && frame.ends_stream())
            .await;
    }
    client.end().await;
    let report = running.stopped().await;
    assert_eq!((report.cut_requests(), report.drained_requests()), (0, 2));
}
