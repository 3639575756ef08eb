//! Clients that flood, drip, or do not read.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tower::service_fn;

use crate::frames::{CONTINUATION, DATA, Frames, HEADERS, INITIAL_WINDOW, PING, RST_STREAM, SETTINGS};
use crate::support::{Running, ms, simple, start, timed, times, within};

async fn served(running: &Running) {
    let mut client = running.kept_alive().await;
    client.get("/").await;
    assert_eq!(client.response().await.status, 200);
}

async fn connect(running: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(running.address).await.unwrap()
}

#[tokio::test]
async fn streams_that_are_reset_at_once_leave_nothing_behind() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let mut client = Frames::connect(&running, &[]).await;
    for number in 0..2000 {
        let stream = 2 * number + 1;
        let head = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
        let sent = async {
            client.send(HEADERS, 5, stream, &head).await?;
            client.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await
        };
        // The server may have closed it.
        if sent.await.is_err() {
            break;
        }
    }
    served(&running).await;
    drop(client);
    running.in_flight(1).await;
    running.handle.drain();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn head_without_an_end_is_no_progress() {
    let server = Server::new(simple())
        .header_read_timeout(ms(400))
        .idle_timeout(ms(400));
    let running = start(times(0, 10_000), server).await;
    let ending = [false, true].map(async |has_served| {
        let mut client = Frames::connect(&running, &[]).await;
        if has_served {
            client.get(1, "/").await;
            client.until("the response", |frame| frame.ends_stream()).await;
        }
        client.send(HEADERS, 1, 3, &[0x82, 0x86, 0x84]).await.unwrap();
        let dripping = async {
            loop {
                sleep(ms(50)).await;
                // An empty name is no error before the end of the head.
                if client.send(CONTINUATION, 0, 3, &[]).await.is_err() {
                    return;
                }
            }
        };
        timed(within("the end", dripping)).await.1
    });
    for took in futures_util::future::join_all(ending).await {
        assert!(took < ms(9000), "{took:?}");
    }
}

#[tokio::test]
async fn floods_end_the_connection_of_a_client_that_does_not_read() {
    let server = Server::new(simple()).idle_timeout(ms(400));
    let running = start(times(0, 10_000), server).await;
    let ending = [(SETTINGS, &[][..]), (PING, b"campanil")].map(async |(kind, payload)| {
        let mut client = Frames::new(connect(&running).await, &[]).await;
        client.get(1, "/").await;
        let flood = async {
            let frame = [&[0, 0, payload.len() as u8, kind, 0, 0, 0, 0, 0], payload].concat();
            let frames = frame.repeat(1000);
            while client.io.write_all(&frames).await.is_ok() {}
        };
        timed(within("the end", flood)).await.1
    });
    for took in futures_util::future::join_all(ending).await {
        assert!(took < ms(20_000), "{took:?}");
    }
    served(&running).await;
}

#[tokio::test]
async fn ping_flood_does_not_hold_the_shutdown() {
    let running = start(times(0, 20_000), Server::new(simple())).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.get(1, "/").await;
    client.head(1).await;
    running.handle.drain();
    let flood = async {
        let frame = [&[0, 0, 8, PING, 0, 0, 0, 0, 0], &b"campanil"[..]]
            .concat()
            .repeat(20);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let written = client.io.write_all(&frame).await;
            if written.is_err() || matches!(client.io.read(&mut buffer).await, Ok(0) | Err(_)) {
                return;
            }
            // A window that opens, of another stream.
            let _ = client.open_window(0, 1).await;
            sleep(ms(5)).await;
        }
    };
    let (((), report), took) = timed(async { tokio::join!(flood, running.stopped()) }).await;
    assert_eq!(report.cut_requests(), 1);
    assert!(took < ms(15_000), "{took:?}");
}

/// Responds with more than all buffers hold.
async fn large(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; 16 << 20])))
}

#[tokio::test]
async fn http1_response_read_a_byte_at_a_time_is_no_progress() {
    let server = Server::new(service_fn(large)).idle_timeout(ms(500));
    let running = start(times(0, 10_000), server).await;
    let mut io = connect(&running).await;
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.in_flight(2).await;
    let reading = async {
        // Reset at the end.
        while running.handle.in_flight() > 1 && io.read_u8().await.is_ok() {
            sleep(ms(20)).await;
        }
    };
    within("the end", reading).await;
}

#[tokio::test]
async fn pipelined_requests_in_the_drain_end_with_a_whole_response() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let mut client = running.client().await;
    client.get("/sleep/300").await;
    running.in_flight(2).await;
    sleep(ms(50)).await;
    running.handle.drain();
    running.handle.drain_elapsed().await;
    for _ in 0..100 {
        client.get("/").await;
    }
    let response = client.response().await;
    assert_eq!((response.status, response.closes()), (200, true));
    assert_eq!(client.rest().await, "");
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn upload_without_an_end_is_not_taken_for_a_stalled_response() {
    // Responds once the upload has begun, with the upload.
    let echo = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(request.into_body().boxed()))
    });
    let running = start(times(0, 10_000), Server::new(echo).idle_timeout(ms(300))).await;
    let mut client = Frames::connect(&running, &[]).await;
    client.request(1, 0x83, "/", 0).await;
    client.head(1).await;
    for _ in 0..3 {
        // The response waits for the client's own upload, and all of it is taken.
        sleep(ms(700)).await;
        client.send(DATA, 0, 1, b"piece").await.unwrap();
        let frame = client
            .until("data", |frame| matches!(frame.kind, DATA | RST_STREAM))
            .await;
        assert_eq!(frame.payload, b"piece");
    }
    client.send(DATA, 1, 1, &[]).await.unwrap();
    client
        .until("the end of the stream", |frame| frame.ends_stream())
        .await;
}

#[tokio::test]
async fn half_closed_client_that_takes_nothing_is_dropped() {
    let running = start(times(0, 10_000), Server::new(simple()).idle_timeout(ms(300))).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    client.get(1, "/").await;
    client.io.shutdown().await.unwrap();
    running.in_flight(1).await;
    let _ = timeout(ms(100), client.end()).await;
}

#[tokio::test]
async fn stalled_tunnel_over_http2_is_cut_at_the_stop_timeout() {
    let tunnel = service_fn(async |mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
            while io.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let running = start(times(0, 1500), Server::new(tunnel).idle_timeout(ms(200))).await;
    let mut client = Frames::connect(&running, &[(INITIAL_WINDOW, 0)]).await;
    let mut head = vec![0x02, 7];
    head.extend(b"CONNECT");
    head.extend([0x00, 9]);
    head.extend(b":protocol");
    head.push(9);
    head.extend(b"websocket");
    head.extend([0x86, 0x84, 0x01, 1, b'a']);
    client.send(HEADERS, 4, 1, &head).await.unwrap();
    client.head(1).await;
    // The handler sees that its writes wait, and decides.
    sleep(ms(1000)).await;
    client.open_window(1, 10).await.unwrap();
    let frame = client
        .until("data", |frame| matches!(frame.kind, DATA | RST_STREAM))
        .await;
    assert_eq!(frame.payload, [b'x'; 10]);
    running.handle.drain();
    let (report, took) = timed(running.stopped()).await;
    assert_eq!(report.in_flight_when_cut(), 1);
    assert!(took < ms(4000), "{took:?}");
}
