//! The outcomes that the clients report for scripted servers.

use std::{net::SocketAddr, time::Duration};

use campanile_drain::{
    client::{
        h1,
        h2::{self, RequestKind},
    },
    load::{Load, LoadKind},
    load_command::{LoadCommand, LoadCommands},
    request_outcome::{
        Loss, OutcomeCounts,
        RequestOutcome::{self, AboveGoaway, Completed, IdleClose, Lost, Refused},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: drain\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Makes an HTTP/2 frame.
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

/// Starts a server of one connection.
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

/// Reads one request.
async fn read_request(stream: &mut TcpStream) {
    let mut request = [0; REQUEST.len()];
    stream.read_exact(&mut request).await.unwrap();
}

/// Waits for a request, and leaves it unread.
async fn wait_for_request(stream: &TcpStream) {
    stream.peek(&mut [0]).await.unwrap();
}

fn commands() -> LoadCommands {
    // Without a sender no command arrives.
    LoadCommands::channel().1
}

async fn h1(address: SocketAddr) -> h1::Connection {
    h1::Connection::open(address, &commands()).await.unwrap()
}

/// Returns the outcome of the first request of a connection.
async fn first_outcome(address: SocketAddr) -> RequestOutcome {
    h1(address).await.send(REQUEST).await.outcome
}

/// Returns the outcome of the second request of a connection.
async fn second_outcome(address: SocketAddr) -> RequestOutcome {
    let mut connection = h1(address).await;
    assert_eq!(connection.send(REQUEST).await.outcome, Completed);
    connection.send(REQUEST).await.outcome
}

/// Returns the outcomes of three concurrent streams, in the order in which they are known.
async fn three_streams(address: SocketAddr) -> Vec<RequestOutcome> {
    let mut connection = h2::Connection::open(address, RequestKind::Get, &commands())
        .await
        .unwrap();
    for _ in 0..3 {
        connection.send_request().await;
    }
    let mut outcomes = Vec::new();
    while !connection.is_done() {
        let next = timeout(Duration::from_secs(10), connection.next()).await;
        outcomes.extend(next.expect("the server sends frames, or closes"));
        if outcomes.len() == 3 {
            break;
        }
    }
    outcomes
}

/// Reads three requests.
async fn read_three_streams(stream: &mut TcpStream) {
    // Large enough for all requests, because unread bytes would turn the close into a reset.
    let mut read = Vec::with_capacity(4096);
    // The ID of the third stream is five.
    while !read.windows(9).any(|window| window[3..] == [1, 5, 0, 0, 0, 5]) {
        stream.read_buf(&mut read).await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_response_is_completed_and_shows_whether_the_connection_is_kept() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(RESPONSE).await.unwrap();
        read_request(&mut stream).await;
        let last = b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(last).await.unwrap();
    })
    .await;
    let mut connection = h1(address).await;
    let one = connection.send(REQUEST).await;
    let two = connection.send(REQUEST).await;
    assert_eq!((one.outcome, one.keep), (Completed, true));
    assert_eq!((two.outcome, two.keep), (Completed, false));
}

#[tokio::test]
async fn connecting_without_a_listener_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert_eq!(
        h1::Connection::open(address, &commands()).await.unwrap_err(),
        Refused
    );
}

#[tokio::test]
async fn an_unanswered_syn_is_refused_once_the_server_has_exited() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // A backlog of zero holds one connection; further SYNs are dropped.
    let _first = h1(address).await;
    let (sender, commands) = LoadCommands::channel();
    let second = tokio::spawn(async move { h1::Connection::open(address, &commands).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    sender.send_replace(LoadCommand::Finish);
    assert_eq!(second.await.unwrap().unwrap_err(), Refused);
}

#[tokio::test]
async fn a_connection_in_the_accept_queue_of_a_closed_listener_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = h1(listener.local_addr().unwrap()).await;
    drop(listener);
    assert_eq!(
        connection.send(REQUEST).await.outcome,
        Lost(Loss::ResetBeforeResponse)
    );
}

#[tokio::test]
async fn a_first_request_without_a_response_is_lost() {
    let (address, _server) = server(|peer| async {
        read_request(&mut peer.accept().await).await;
    })
    .await;
    assert_eq!(first_outcome(address).await, Lost(Loss::ClosedBeforeResponse));
}

#[tokio::test]
async fn a_first_request_that_was_not_read_is_lost() {
    let (address, _server) = server(|peer| async {
        wait_for_request(&peer.accept().await).await;
    })
    .await;
    assert_eq!(first_outcome(address).await, Lost(Loss::ResetBeforeResponse));
}

#[tokio::test]
async fn an_incomplete_response_is_lost() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(&RESPONSE[..RESPONSE.len() - 1]).await.unwrap();
    })
    .await;
    assert_eq!(first_outcome(address).await, Lost(Loss::ClosedInResponse));
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        wait_for_request(&stream).await;
        stream.write_all(&RESPONSE[..9]).await.unwrap();
    })
    .await;
    assert_eq!(first_outcome(address).await, Lost(Loss::ResetInResponse));
}

#[tokio::test]
async fn an_unexpected_status_is_lost() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        let response = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(response).await.unwrap();
    })
    .await;
    assert_eq!(first_outcome(address).await, Lost(Loss::UnexpectedResponse));
}

#[tokio::test]
async fn an_unread_second_request_met_an_idle_close() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(RESPONSE).await.unwrap();
        wait_for_request(&stream).await;
    })
    .await;
    assert_eq!(second_outcome(address).await, IdleClose);
    // The same with a FIN that was sent before the request.
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(RESPONSE).await.unwrap();
        stream.shutdown().await.unwrap();
        wait_for_request(&stream).await;
    })
    .await;
    assert_eq!(second_outcome(address).await, IdleClose);
}

#[tokio::test]
async fn a_second_request_without_a_response_is_lost() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(RESPONSE).await.unwrap();
        read_request(&mut stream).await;
    })
    .await;
    assert_eq!(second_outcome(address).await, Lost(Loss::ClosedBeforeResponse));
}

#[tokio::test]
async fn closing_an_idle_connection_costs_no_request() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_request(&mut stream).await;
        stream.write_all(RESPONSE).await.unwrap();
    })
    .await;
    let mut connection = h1(address).await;
    assert_eq!(connection.send(REQUEST).await.outcome, Completed);
    assert!(!connection.stays_open_for(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_request_without_response_until_the_server_exits_is_lost() {
    for kind in [LoadKind::KeepAlive, LoadKind::H2] {
        let (address, server) = server(|peer| async {
            let _stream = peer.accept().await;
            std::future::pending().await
        })
        .await;
        let (sender, commands) = LoadCommands::channel();
        let load = tokio::spawn(Load::new(kind, address, 1).run(commands, || {}));
        tokio::time::sleep(Duration::from_millis(100)).await;
        sender.send_replace(LoadCommand::Finish);
        let counts: OutcomeCounts = timeout(Duration::from_secs(10), load)
            .await
            .expect("the load ends after its server")
            .unwrap();
        assert_eq!(
            counts.lost.keys().collect::<Vec<_>>(),
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
    let (sender, commands) = LoadCommands::channel();
    let (connected, sent) = tokio::sync::oneshot::channel();
    let load = Load::new(LoadKind::Burst, address, 50).run(commands, || connected.send(()).unwrap());
    let load = tokio::spawn(load);
    sender.send_replace(LoadCommand::Burst);
    timeout(Duration::from_secs(10), sent)
        .await
        .expect("requests are sent before they are accepted")
        .unwrap();
    for _ in 0..49 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read_buf(&mut Vec::with_capacity(256)).await.unwrap();
        assert!(read > 0, "the request was sent");
        stream.write_all(RESPONSE).await.unwrap();
    }
    drop(listener);
    let counts = load.await.unwrap();
    assert_eq!((counts.completed, counts.total_lost()), (49, 1));
}

#[tokio::test]
async fn a_burst_without_a_listener_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (sender, commands) = LoadCommands::channel();
    sender.send_replace(LoadCommand::Burst);
    let counts = Load::new(LoadKind::Burst, address, 50).run(commands, || {}).await;
    assert_eq!(counts.refused, 50);
}

#[tokio::test]
async fn responses_on_streams_arrive_in_any_order() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        for id in [5, 1, 3] {
            stream.write_all(&status_200(id)).await.unwrap();
        }
        wait_for_request(&stream).await;
    })
    .await;
    assert_eq!(three_streams(address).await, [Completed; 3]);
}

#[tokio::test]
async fn streams_above_the_last_id_differ_from_aborted_ones() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        stream.write_all(&goaway(3)).await.unwrap();
        stream.write_all(&status_200(1)).await.unwrap();
    })
    .await;
    assert_eq!(
        three_streams(address).await,
        [AboveGoaway, Completed, Lost(Loss::ClosedBeforeResponse)]
    );
}

#[tokio::test]
async fn a_goaway_before_a_reset_is_read() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        wait_for_request(&stream).await;
        stream.write_all(&goaway(0)).await.unwrap();
    })
    .await;
    assert_eq!(three_streams(address).await, [AboveGoaway; 3]);
}

#[tokio::test]
async fn a_refused_stream_counts_like_one_above_the_last_id() {
    const REFUSED_STREAM: u32 = 7;
    const CANCEL: u32 = 8;
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        let reset = |id, reason: u32| frame(3, 0, id, &reason.to_be_bytes());
        stream.write_all(&reset(1, REFUSED_STREAM)).await.unwrap();
        stream.write_all(&reset(3, CANCEL)).await.unwrap();
        stream.write_all(&frame(1, 5, 5, &[0x8d])).await.unwrap();
        wait_for_request(&stream).await;
    })
    .await;
    assert_eq!(
        three_streams(address).await,
        [
            AboveGoaway,
            Lost(Loss::StreamReset),
            Lost(Loss::UnexpectedResponse)
        ]
    );
}

#[tokio::test]
async fn streams_of_a_connection_that_ends_without_goaway_are_lost() {
    let (address, _server) = server(|peer| async {
        let mut stream = peer.accept().await;
        read_three_streams(&mut stream).await;
        stream.write_all(&frame(1, 4, 1, &[0x88])).await.unwrap();
    })
    .await;
    assert_eq!(
        three_streams(address).await,
        [
            Lost(Loss::ClosedInResponse),
            Lost(Loss::ClosedBeforeResponse),
            Lost(Loss::ClosedBeforeResponse)
        ]
    );
}
