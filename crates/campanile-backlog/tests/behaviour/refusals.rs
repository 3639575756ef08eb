//! What cannot be watched is refused, with the reason.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use campanile_backlog::{BacklogMonitor, WatchErrorKind};
use socket2::{Domain, Socket, Type};

use crate::support::queue::{connect, listen};

fn refusal(descriptor: impl AsFd) -> WatchErrorKind {
    let error = BacklogMonitor::new().watch(&descriptor).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the ") && !text.ends_with('.'),
        "not an error's text: {text}"
    );
    error.kind()
}

fn socket(domain: Domain, kind: Type) -> Socket {
    Socket::new(domain, kind, None).unwrap()
}

#[test]
fn a_connection_is_refused_on_both_of_its_ends() {
    let listener = listen("127.0.0.1:0", 4);
    let client = connect(&listener);
    let accepted = listener.accept().unwrap().0;
    assert_eq!(refusal(client), WatchErrorKind::Connected);
    assert_eq!(refusal(accepted), WatchErrorKind::Connected);
    let (one, _other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
    assert_eq!(refusal(one), WatchErrorKind::Connected);
}

#[test]
fn a_datagram_socket_is_refused() {
    for domain in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
        assert_eq!(
            refusal(socket(domain, Type::DGRAM)),
            WatchErrorKind::NotAStream,
            "{domain:?}"
        );
    }
}

#[test]
fn a_socket_that_does_not_listen_yet_is_refused() {
    for domain in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
        assert_eq!(
            refusal(socket(domain, Type::STREAM)),
            WatchErrorKind::NotListening,
            "{domain:?}"
        );
    }
    let bound = socket(Domain::IPV4, Type::STREAM);
    bound
        .bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into())
        .unwrap();
    assert_eq!(refusal(&bound), WatchErrorKind::NotListening);
    bound.listen(4).unwrap();
    assert!(BacklogMonitor::new().watch(&bound).is_ok());
}

#[test]
fn what_is_no_socket_is_refused() {
    assert_eq!(
        refusal(std::fs::File::open("/dev/null").unwrap()),
        WatchErrorKind::NotASocket
    );
}

#[test]
fn a_socket_of_an_unknown_family_is_refused() {
    let netlink = rustix::net::socket(
        rustix::net::AddressFamily::NETLINK,
        rustix::net::SocketType::DGRAM,
        None,
    )
    .unwrap();
    assert_eq!(refusal(netlink), WatchErrorKind::Unsupported);
}

#[test]
fn a_closed_descriptor_is_refused() {
    // A number high up, which nobody gets by chance.
    let listener = listen("127.0.0.1:0", 4);
    let high = rustix::io::fcntl_dupfd_cloexec(&listener, 900).unwrap();
    let number = high.as_raw_fd();
    drop(high);
    // SAFETY: that it is closed is what this is about; nothing but a socket option is asked of it.
    #[allow(unsafe_code, reason = "a closed descriptor cannot be had otherwise")]
    let closed = unsafe { BorrowedFd::borrow_raw(number) };
    assert_eq!(refusal(closed), WatchErrorKind::Closed);
}

#[test]
fn one_socket_is_watched_once_whatever_descriptor_it_comes_by() {
    let mut monitor = BacklogMonitor::new();
    let listener = listen("127.0.0.1:0", 4);
    monitor.watch(&listener).unwrap();
    let error = monitor.watch(&listener.try_clone().unwrap()).unwrap_err();
    assert_eq!(error.kind(), WatchErrorKind::AlreadyWatched);
}
