//! Each fate, seen by the clients where a scripted server deals it out.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

use std::{net::SocketAddr, time::Duration};

use campanile_drain::{
    client::{
        h1,
        h2::{self, Ask},
    },
    fate::{
        Fate::{self, AboveGoaway, Answered, IdleClose, Lost, Refused},
        Loss, Tally,
    },
    load::{Kind, Load},
    order::{Order, Orders},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: drain\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn status_200(id: u32) -> Vec<u8> {
    frame(1, 5, id, &[0x88])
}

fn goaway(last: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// A server of one connection.
async fn server<F>(script: impl FnOnce(Peer) -> F) -> (SocketAddr, JoinHandle<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let script = script(Peer(listener));
    (address, tokio::spawn(script))
}

struct Peer(TcpListener);

impl Peer {
    async fn accept(self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }
}

/// Reads the next request whole.
async fn read_request(stream: &mut TcpStream) {
    let mut request = [0; REQUEST.len()];
    stream.read_exact(&mut request).await.unwrap();
}

/// Waits until something has come, and leaves it unread.
async fn see_request(stream: &TcpStream) {
    stream.peek(&mut [0]).await.unwrap();
}

fn orders() -> Orders {
    // Whoever gives the orders may be gone: none come then.
    Orders::channel().1
}

async fn h1(address: SocketAddr) -> h1::Connection {
    h1::Connection::open(address, &orders()).await.unwrap()
}

/// What comes of the one request of a new connection.
async fn first(address: SocketAddr) -> Fate {
    h1(address).await.ask(REQUEST).await.fate
}

/// What comes of the second request of a connection.
async fn second(address: SocketAddr) -> Fate {
    let mut connection = h1(address).await;
    assert_eq!(connection.ask(REQUEST).await.fate, Answered);
    connection.ask(REQUEST).await.fate
}

/// What comes of three requests on as many streams, in the order in which it is known.
async fn three_streams(address: SocketAddr) -> Vec<Fate> {
    let mut connection = h2::Connection::open(address, Ask::Get, &orders()).await.unwrap();
    for _ in 0..3 {
        connection.ask().await;
    }
    let mut fates = Vec::new();
    while !connection.is_done() {
        let next = timeout(Duration::from_secs(10), connection.next()).await;
        fates.extend(next.expect("the script says something, or ends"));
        if fates.len() == 3 {
            break;
        }
    }
    fates
}

/// Reads until three requests are there.
async fn read_three_streams(stream: &mut TcpStream) {
    // Room for all: each request comes whole, and what stayed unread would make a reset of the close.
    let mut read = Vec::with_capacity(4096);
    // The third stream has the number five.
    while !read.windows(9).any(|window| window[3..] == [1, 5, 0, 0, 0, 5]) {
        stream.read_buf(&mut read).await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_answer_is_answered_and_says_whether_the_connection_stays() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        read_request(&mut stream).await;
        let last = b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(last).await.unwrap();
    })
    .await;
    let mut connection = h1(address).await;
    let one = connection.ask(REQUEST).await;
    let two = connection.ask(REQUEST).await;
    assert_eq!((one.fate, one.keep), (Answered, true));
    assert_eq!((two.fate, two.keep), (Answered, false));
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert_eq!(
        h1::Connection::open(address, &orders()).await.unwrap_err(),
        Refused
    );
}

#[tokio::test]
async fn a_syn_that_nobody_answered_is_refused_once_the_server_is_gone() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // A queue for none holds one; whoever comes next is not heard.
    let _first = h1(address).await;
    let (sender, orders) = Orders::channel();
    let second = tokio::spawn(async move { h1::Connection::open(address, &orders).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    sender.send_replace(Order::Finish);
    assert_eq!(second.await.unwrap().unwrap_err(), Refused);
}

#[tokio::test]
async fn a_connection_left_in_the_queue_of_a_listener_that_closes_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = h1(listener.local_addr().unwrap()).await;
    drop(listener);
    assert_eq!(connection.ask(REQUEST).await.fate, Lost(Loss::ResetBeforeAnswer));
}

#[tokio::test]
async fn a_first_request_that_was_read_and_not_answered_is_lost() {
    let (address, _server) = server(|peer| async {
        read_request(&mut peer.accept().await).await;
    })
    .await;
    assert_eq!(first(address).await, Lost(Loss::ClosedBeforeAnswer));
}

#[tokio::test]
async fn a_first_request_that_was_not_read_is_lost() {
    let (address, _server) = server(|peer| async {
        see_request(&peer.accept().await).await;
    })
    .await;
    assert_eq!(first(address).await, Lost(Loss::ResetBeforeAnswer));
}

#[tokio::test]
async fn half_an_answer_is_lost_by_close_and_by_reset() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(&ANSWER[..ANSWER.len() - 1]).await.unwrap();
    })
    .await;
    assert_eq!(first(address).await, Lost(Loss::ClosedInAnswer));
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        see_request(&stream).await;
        stream.write_all(&ANSWER[..9]).await.unwrap();
    })
    .await;
    assert_eq!(first(address).await, Lost(Loss::ResetInAnswer));
}

#[tokio::test]
async fn another_status_is_no_answer_to_what_was_asked() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    assert_eq!(first(address).await, Lost(Loss::OtherAnswer));
}

#[tokio::test]
async fn a_second_request_that_was_never_read_met_the_close_of_an_idle_connection() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        see_request(&stream).await;
    })
    .await;
    assert_eq!(second(address).await, IdleClose);
    // The same, with a FIN on its way before the request.
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        stream.shutdown().await.unwrap();
        see_request(&stream).await;
    })
    .await;
    assert_eq!(second(address).await, IdleClose);
}

#[tokio::test]
async fn a_second_request_that_was_read_and_cut_is_lost() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        read_request(&mut stream).await;
    })
    .await;
    assert_eq!(second(address).await, Lost(Loss::ClosedBeforeAnswer));
}

#[tokio::test]
async fn a_connection_that_is_closed_while_nothing_is_asked_costs_nothing() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
    })
    .await;
    let mut connection = h1(address).await;
    assert_eq!(connection.ask(REQUEST).await.fate, Answered);
    assert!(!connection.rest(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_server_that_says_nothing_until_it_is_gone_has_lost_the_request() {
    for kind in [Kind::KeepAlive, Kind::H2] {
        let (address, server) = server(|peer| async {
            let _stream = peer.accept().await;
            std::future::pending().await
        })
        .await;
        let (sender, orders) = Orders::channel();
        let load = tokio::spawn(Load::new(kind, address, 1).run(orders, || {}));
        tokio::time::sleep(Duration::from_millis(100)).await;
        sender.send_replace(Order::Finish);
        let tally: Tally = timeout(Duration::from_secs(10), load)
            .await
            .expect("a load ends soon after its server")
            .unwrap();
        assert_eq!(
            tally.lost.keys().collect::<Vec<_>>(),
            [&Loss::TimedOut],
            "{kind:?}"
        );
        server.abort();
    }
}

#[tokio::test]
async fn a_burst_sends_before_anybody_accepts() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(100).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, orders) = Orders::channel();
    let (connected, sent) = tokio::sync::oneshot::channel();
    let load = Load::new(Kind::Burst, address, 50).run(orders, || connected.send(()).unwrap());
    let load = tokio::spawn(load);
    sender.send_replace(Order::Burst);
    timeout(Duration::from_secs(10), sent)
        .await
        .expect("nobody has to accept for a request to be sent")
        .unwrap();
    for _ in 0..49 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read_buf(&mut Vec::with_capacity(256)).await.unwrap();
        assert!(read > 0, "the request was sent");
        stream.write_all(ANSWER).await.unwrap();
    }
    drop(listener);
    let tally = load.await.unwrap();
    assert_eq!((tally.answered, tally.all_lost()), (49, 1));
}

#[tokio::test]
async fn a_burst_to_nobody_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (sender, orders) = Orders::channel();
    sender.send_replace(Order::Burst);
    let tally = Load::new(Kind::Burst, address, 50).run(orders, || {}).await;
    assert_eq!(tally.refused, 50);
}

#[tokio::test]
async fn streams_are_answered_in_any_order() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        for id in [5, 1, 3] {
            stream.write_all(&status_200(id)).await.unwrap();
        }
        see_request(&stream).await;
    })
    .await;
    assert_eq!(three_streams(address).await, [Answered; 3]);
}

#[tokio::test]
async fn streams_above_the_last_id_are_told_apart_from_those_that_are_cut() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        stream.write_all(&goaway(3)).await.unwrap();
        stream.write_all(&status_200(1)).await.unwrap();
    })
    .await;
    assert_eq!(
        three_streams(address).await,
        [AboveGoaway, Answered, Lost(Loss::ClosedBeforeAnswer)]
    );
}

#[tokio::test]
async fn a_goaway_is_heard_though_a_reset_follows() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        see_request(&stream).await;
        stream.write_all(&goaway(0)).await.unwrap();
    })
    .await;
    assert_eq!(three_streams(address).await, [AboveGoaway; 3]);
}

#[tokio::test]
async fn a_refused_stream_is_as_good_as_one_above_the_last_id() {
    const REFUSED_STREAM: u32 = 7;
    const CANCEL: u32 = 8;
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        let reset = |id, reason: u32| frame(3, 0, id, &reason.to_be_bytes());
        stream.write_all(&reset(1, REFUSED_STREAM)).await.unwrap();
        stream.write_all(&reset(3, CANCEL)).await.unwrap();
        stream.write_all(&frame(1, 5, 5, &[0x8d])).await.unwrap();
        see_request(&stream).await;
    })
    .await;
    assert_eq!(
        three_streams(address).await,
        [AboveGoaway, Lost(Loss::StreamReset), Lost(Loss::OtherAnswer)]
    );
}

#[tokio::test]
async fn a_connection_of_streams_that_ends_without_goaway_has_lost_them() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        stream.write_all(&frame(1, 4, 1, &[0x88])).await.unwrap();
    })
    .await;
    assert_eq!(
        three_streams(address).await,
        [
            Lost(Loss::ClosedInAnswer),
            Lost(Loss::ClosedBeforeAnswer),
            Lost(Loss::ClosedBeforeAnswer)
        ]
    );
}
