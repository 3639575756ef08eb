//! Errors of watching a descriptor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use campanile_backlog::{BacklogMonitor, WatchErrorKind};
use socket2::{Domain, Socket, Type};

use crate::support::queue::{connect, listen};

fn watch_error(descriptor: impl AsFd) -> WatchErrorKind {
    let error = BacklogMonitor::new().watch(&descriptor).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the ") && !text.ends_with('.'),
        "not in the style of an error message: {text}"
    );
    error.kind()
}

fn socket(domain: Domain, kind: Type) -> Socket {
    Socket::new(domain, kind, None).unwrap()
}

#[test]
fn both_ends_of_a_connection_are_refused() {
    let listener = listen("127.0.0.1:0", 4);
    let client = connect(&listener);
    let accepted = listener.accept().unwrap().0;
    assert_eq!(watch_error(client), WatchErrorKind::Connected);
    assert_eq!(watch_error(accepted), WatchErrorKind::Connected);
    let (one, _other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
    assert_eq!(watch_error(one), WatchErrorKind::Connected);
}

#[test]
fn datagram_socket_is_refused() {
    for domain in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
        assert_eq!(
            watch_error(socket(domain, Type::DGRAM)),
            WatchErrorKind::NotAStream,
            "{domain:?}"
        );
    }
}

#[test]
fn socket_that_is_not_listening_is_refused() {
    for domain in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
        assert_eq!(
            watch_error(socket(domain, Type::STREAM)),
            WatchErrorKind::NotListening,
            "{domain:?}"
        );
    }
    let bound = socket(Domain::IPV4, Type::STREAM);
    bound
        .bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into())
        .unwrap();
    assert_eq!(watch_error(&bound), WatchErrorKind::NotListening);
    bound.listen(4).unwrap();
    assert!(BacklogMonitor::new().watch(&bound).is_ok());
}

#[test]
fn file_is_refused() {
    assert_eq!(
        watch_error(std::fs::File::open("/dev/null").unwrap()),
        WatchErrorKind::NotASocket
    );
}

#[test]
fn socket_of_an_unsupported_family_is_refused() {
    let netlink = rustix::net::socket(
        rustix::net::AddressFamily::NETLINK,
        rustix::net::SocketType::DGRAM,
        None,
    )
    .unwrap();
    assert_eq!(watch_error(netlink), WatchErrorKind::Unsupported);
}

#[test]
fn closed_descriptor_is_refused() {
    // A high number, which no other thread gets by chance.
    let listener = listen("127.0.0.1:0", 4);
    let high = rustix::io::fcntl_dupfd_cloexec(&listener, 900).unwrap();
    let number = high.as_raw_fd();
    drop(high);
    // SAFETY: the descriptor is closed on purpose, and only used to read a socket option.
    #[allow(unsafe_code, reason = "there is no safe way to a closed descriptor")]
    let closed = unsafe { BorrowedFd::borrow_raw(number) };
    assert_eq!(watch_error(closed), WatchErrorKind::Closed);
}

#[test]
fn duplicate_descriptor_of_a_watched_socket_is_refused() {
    let mut monitor = BacklogMonitor::new();
    let listener = listen("127.0.0.1:0", 4);
    monitor.watch(&listener).unwrap();
    let error = monitor.watch(&listener.try_clone().unwrap()).unwrap_err();
    assert_eq!(error.kind(), WatchErrorKind::AlreadyWatched);
}
