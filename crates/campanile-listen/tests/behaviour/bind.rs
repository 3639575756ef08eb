//! Binding listeners, and taking over bound ones.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;

use campanile_listen::{Bind, ListenAddress, Listener, Sharing};
use socket2::{SockRef, Type};
use tokio::net::{TcpStream, UnixStream};

use crate::closing::{any_port, exchange, path, serve};
use crate::support::{connect, recorder, within};

#[test]
fn addresses_are_displayed_as_they_are_parsed() {
    for text in [
        "127.0.0.1:8080",
        "[::1]:8080",
        "unix:/run/app.sock",
        "unix:app.sock",
    ] {
        let address: ListenAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
    }
    for (text, reason) in [
        ("", "expected"),
        ("8080", "expected"),
        ("localhost:8080", "expected"),
        ("/run/app.sock", "expected"),
        ("::1:8080", "expected"),
        ("unix:", "the path is empty"),
        ("unix:@name", "abstract"),
        ("unix:a\0b", "NUL"),
    ] {
        let error = text.parse::<ListenAddress>().unwrap_err().to_string();
        let expected = format!("invalid listen address {text:?}: ");
        assert!(error.starts_with(&expected) && error.contains(reason), "{error}");
    }
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    assert_eq!(ListenAddress::from(address).tcp(), Some(address));
    assert_eq!(ListenAddress::from(path()).tcp(), None);
}

#[tokio::test]
async fn clients_of_ipv6_and_of_all_addresses_are_accepted() {
    for (bound, from) in [
        ("[::1]:0", "::1"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("[::]:0", "127.0.0.1"),
    ] {
        let bound: SocketAddr = bound.parse().unwrap();
        let mut listener = Bind::new(bound).with_recorder(recorder()).bind().unwrap();
        let port = listener.local_address().tcp().unwrap().port();
        assert_ne!(port, 0);
        assert_eq!(listener.label().as_str(), listener.local_address().to_string());
        let client = connect(SocketAddr::new(from.parse().unwrap(), port)).await;
        let local = client.local_addr().unwrap();
        let accepted = within("a client", listener.accept()).await;
        assert_eq!(
            accepted.peer.ip(),
            Some(local.ip()),
            "{} at {bound}",
            accepted.peer
        );
        assert_eq!(accepted.peer.tcp().unwrap().port(), local.port());
        assert_eq!(
            accepted.io.get_ref().peer_addr().unwrap(),
            accepted.peer.tcp().unwrap()
        );
        assert!(accepted.io.get_ref().as_tcp().unwrap().nodelay().unwrap());
        let exchange = tokio::spawn(exchange(client));
        serve(accepted).await;
        exchange.await.unwrap();
        // With the filter attached, and checks for half-open connections.
        let queued = connect(SocketAddr::new(from.parse().unwrap(), port)).await;
        let exchange = tokio::spawn(crate::closing::exchange(queued));
        assert_eq!(crate::closing::serve_all(listener.close()).await, 1);
        exchange.await.unwrap();
    }
}

#[tokio::test]
async fn only_v6_refuses_ipv4_clients() {
    let bound: SocketAddr = "[::]:0".parse().unwrap();
    let listener = Bind::new(bound).with_only_v6(true).bind().unwrap();
    let port = listener.local_address().tcp().unwrap().port();
    assert!(TcpStream::connect(("::1", port)).await.is_ok());
    let refused = TcpStream::connect(("127.0.0.1", port)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn nodelay_can_be_turned_off() {
    let mut listener = Bind::new(any_port()).with_nodelay(false).bind().unwrap();
    let _client = connect(listener.local_address().tcp().unwrap()).await;
    let accepted = within("a client", listener.accept()).await;
    assert!(!accepted.io.get_ref().as_tcp().unwrap().nodelay().unwrap());
}

#[tokio::test]
async fn bind_error_names_the_address_and_its_cause() {
    let first = Listener::bind(any_port()).unwrap();
    let address = first.local_address().clone();
    let error = Listener::bind(address.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.address(), Some(&address));
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
    assert!(error.source().unwrap().to_string().contains("in use"));
}

#[tokio::test]
async fn invalid_text_is_an_error_of_bind() {
    let error = Listener::bind("nonsense").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.address(), None);
    assert!(
        error
            .to_string()
            .starts_with("invalid listen address \"nonsense\": "),
        "{error}"
    );
    assert!(Bind::new(String::from("127.0.0.1:0")).bind().is_ok());
}

#[tokio::test]
async fn connection_limit_of_zero_is_an_error_of_bind() {
    let error = Bind::new(any_port()).with_connection_limit(0).bind().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.source().unwrap().to_string().contains("above 0"));
}

#[tokio::test]
async fn members_of_a_reuse_port_group_have_their_own_labels() {
    let first = Bind::new(any_port()).with_reuse_port(true).bind().unwrap();
    let address = first.local_address().clone();
    let second = Bind::new(address.clone())
        .with_reuse_port(true)
        .with_label(format!("{address}#1"));
    let second = second.with_connection_limit(3).bind().unwrap();
    assert_eq!(second.label().as_str(), format!("{address}#1"));
    assert_eq!(second.local_address(), first.local_address());
    assert_eq!(second.connections().limit(), Some(3));
}

#[tokio::test]
async fn stale_unix_socket_is_replaced() {
    let path = path();
    // The standard library leaves the file behind, as a killed process does.
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut listener = Bind::new(path.as_path())
        .with_recorder(recorder())
        .bind()
        .unwrap();
    assert_eq!(listener.local_address().path(), Some(path.as_path()));
    assert_eq!(listener.label().as_str(), format!("unix:{}", path.display()));
    let exchange = tokio::spawn(exchange(UnixStream::connect(&path).await.unwrap()));
    serve(within("a client", listener.accept()).await).await;
    exchange.await.unwrap();
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn live_unix_socket_is_in_use_even_with_a_full_queue() {
    let path = path();
    let _live = Bind::new(path.as_path()).with_backlog(0).bind().unwrap();
    // The probe of the first attempt fills the queue.
    for _ in 0..3 {
        let error = Listener::bind(path.as_path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error:?}");
    }
    let datagrams = crate::closing::path();
    let _bound = std::os::unix::net::UnixDatagram::bind(&datagrams).unwrap();
    assert_eq!(
        Listener::bind(datagrams.as_path()).unwrap_err().kind(),
        ErrorKind::AddrInUse
    );
    assert!(path.exists() && datagrams.exists());
    std::fs::remove_file(datagrams).unwrap();
}

#[tokio::test]
async fn file_that_is_not_a_socket_is_refused_and_kept() {
    let path = path();
    std::fs::write(&path, "precious").unwrap();
    let error = Listener::bind(path.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let link = path.with_extension("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(
        Listener::bind(link.as_path()).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert!(link.symlink_metadata().unwrap().is_symlink());
    std::fs::remove_file(link).unwrap();
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn mode_of_the_socket_file_is_set() {
    for mode in [0o600, 0o666] {
        let path = path();
        let _listener = Bind::new(path.as_path()).with_mode(mode).bind().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn concurrent_binds_of_a_stale_path_have_one_winner() {
    for _ in 0..50 {
        let path = path();
        drop(StdUnixListener::bind(&path).unwrap());
        let mut starting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let path = path.clone();
            starting.spawn_blocking(move || Listener::bind(path));
        }
        let bound: Vec<_> = starting
            .join_all()
            .await
            .into_iter()
            .filter_map(Result::ok)
            .collect();
        assert_eq!(bound.len(), 1, "one bound the path, and the others failed");
        assert!(UnixStream::connect(&path).await.is_ok());
    }
}

#[tokio::test]
async fn only_a_listening_stream_can_be_taken_over() {
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = socket2::Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for (socket, why) in [
        (datagrams.into(), "not a stream socket"),
        (silent.into(), "not listening"),
        (file.into(), "socket"),
    ] {
        let error = Listener::from_fd(socket, Sharing::Shared).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let listening = std::net::TcpListener::bind("[::1]:0").unwrap();
    let address = listening.local_addr().unwrap();
    let listener = Listener::from_tcp(listening, Sharing::Exclusive).unwrap();
    assert_eq!(listener.local_address().tcp(), Some(address));
    assert!(SockRef::from(&listener).nonblocking().unwrap());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn abstract_socket_can_be_taken_over() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("campanile-listen-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let listening = StdUnixListener::bind_addr(&address).unwrap();
    let mut listener = Listener::from_unix(listening, Sharing::Exclusive).unwrap();
    assert_eq!(listener.label().as_str(), format!("unix:@{name}"));
    let client = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
    client.set_nonblocking(true).unwrap();
    let exchange = tokio::spawn(exchange(UnixStream::from_std(client).unwrap()));
    let accepted = within("a client", listener.accept()).await;
    assert_eq!(accepted.peer.to_string(), "unix:");
    assert!(accepted.io.get_ref().as_unix().unwrap().peer_cred().is_ok());
    serve(accepted).await;
    exchange.await.unwrap();
}
