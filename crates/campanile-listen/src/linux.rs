//! The Linux part of closing and binding: a packet filter on the listener, and the kernel's socket table by sock_diag(7).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use socket2::{SockFilter, SockRef};

use crate::ListenAddress;

// From linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h; `libc` lacks these structures.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
const TCP_SYN_RECV: u32 = 3;
const TCP_LISTEN: u32 = 10;

/// The kernel fills at most this much per read for readers with less than 32 KiB.
const BUFFER: usize = 16 * 1024;

/// Attaches a filter that drops packets with SYN and without ACK, which begin connections. Their senders retry, first
/// after a second, and reach the server that listens then. All other packets pass, above all the last ACK of a handshake.
///
/// The filter is attached to the socket, not to the descriptor: it affects every holder. Accepted connections inherit it
/// at no cost, since peers never send such packets within a connection.
pub(crate) fn drop_syns(listener: BorrowedFd<'_>) -> io::Result<()> {
    // On a TCP socket the filter sees the packet from its TCP header on; the flags are byte 13.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    // Instructions of bpf(4).
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const DROP: u32 = 0;
    const PASS: u32 = u32::MAX;
    SockRef::from(&listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, DROP),
        SockFilter::new(RETURN, 0, 0, PASS),
    ])
}

/// Returns whether a handshake with a listener of this address is in progress.
///
/// # Errors
///
/// Returns an error if the table cannot be read: without descriptors, in a sandbox, or on a kernel without `inet_diag`.
pub(crate) fn has_half_open(address: SocketAddr) -> io::Result<bool> {
    let ip = address.ip().to_canonical();
    find_socket(address, TCP_SYN_RECV, |entry| {
        (ip.is_unspecified() || ip == entry.local).then_some(())
    })
    .map(|found| found.is_some())
}

/// Returns the size of a listener's accept queue as the kernel set it; `net.core.somaxconn` for a unix socket, and where
/// the table cannot be read.
pub(crate) fn backlog_limit(listener: BorrowedFd<'_>, address: &ListenAddress) -> Option<u32> {
    queue_limit(listener, address).or_else(|| {
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
        limit.trim().parse().ok()
    })
}

fn queue_limit(listener: BorrowedFd<'_>, address: &ListenAddress) -> Option<u32> {
    let inode = u32::try_from(rustix::fs::fstat(listener).ok()?.st_ino).ok()?;
    find_socket(address.tcp()?, TCP_LISTEN, |entry| {
        (entry.inode == inode).then_some(entry.queue_limit)
    })
    .ok()?
}

/// The part of `struct inet_diag_msg` that is used here.
struct SocketEntry {
    local: IpAddr,
    /// The size of the accept queue, for a listening socket.
    queue_limit: u32,
    inode: u32,
}

/// Walks the sockets of a port that are in the given state until `find` returns a value.
fn find_socket<T>(
    address: SocketAddr,
    state: u32,
    find: impl Fn(&SocketEntry) -> Option<T>,
) -> io::Result<Option<T>> {
    // IPv4 clients of an IPv6 socket are in its family's table.
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG))?;
    let request = request(family, state, address.port());
    sendto(
        &socket,
        &request,
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut buffer = vec![0; BUFFER];
    loop {
        // The kernel prepares the next part before it returns from the previous call, so this never blocks.
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((kind, body, next)) = split_message(rest) {
            match kind {
                NLMSG_DONE => return Ok(None),
                NLMSG_ERROR => return Err(netlink_error(body)),
                _ => {}
            }
            if let Some(found) = parse_entry(body).and_then(|entry| find(&entry)) {
                return Ok(Some(found));
            }
            rest = next;
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Builds `struct nlmsghdr` and `struct inet_diag_req_v2`. The kernel filters by port and state, not by address.
fn request(family: AddressFamily, state: u32, port: u16) -> [u8; 72] {
    const TCP: u8 = 6;
    let mut request = [0; 72];
    request[0..4].copy_from_slice(&72u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request[16] = family.as_raw() as u8;
    request[17] = TCP;
    request[20..24].copy_from_slice(&(1u32 << state).to_ne_bytes());
    request[24..26].copy_from_slice(&port.to_be_bytes());
    request
}

/// Splits off the first message, and returns its type, its body and the remaining bytes.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = word(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, body, next))
}

fn parse_entry(body: &[u8]) -> Option<SocketEntry> {
    let local: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let local = if i32::from(*body.first()?) == libc::AF_INET {
        let [a, b, c, d, ..] = local;
        Ipv4Addr::new(a, b, c, d).into()
    } else {
        IpAddr::from(Ipv6Addr::from(local)).to_canonical()
    };
    Some(SocketEntry {
        local,
        queue_limit: word(body, 60)?,
        inode: word(body, 68)?,
    })
}

fn netlink_error(body: &[u8]) -> io::Error {
    match word(body, 0) {
        Some(number) => io::Error::from_raw_os_error((number as i32).saturating_neg()),
        None => io::ErrorKind::InvalidData.into(),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
