//! Asks the kernel for its TCP sockets by sock_diag(7), which takes no privileges.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::ListenAddress;

// Of linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h and linux/unix_diag.h; `libc` has no structures of these.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
const TCP_SYN_RECV: u32 = 3;
const TCP_LISTEN: u32 = 10;

/// The kernel fills at most this much at a time for those who read with less than 32 KiB.
const BUFFER: usize = 16 * 1024;

/// One socket, as far as it matters here.
struct Row {
    local: IpAddr,
    /// Of a listening socket: how many clients its queue takes.
    queue_limit: u32,
    inode: u32,
}

/// Tells whether a client is still shaking hands with a listener of this address.
///
/// # Errors
///
/// Fails where the kernel does not answer: without descriptors, in a sandbox, or in one built without.
pub(crate) fn half_open(address: SocketAddr) -> io::Result<bool> {
    any(address, TCP_SYN_RECV, |row| {
        let wanted = address.ip().to_canonical();
        (wanted.is_unspecified() || wanted == row.local).then_some(())
    })
    .map(|found| found.is_some())
}

/// Returns how many clients the queue of a listening socket takes, as the kernel has set it. Where it does not tell,
/// and for a unix socket, the system's limit.
pub(crate) fn backlog_limit(listener: BorrowedFd<'_>, address: &ListenAddress) -> Option<u32> {
    queue_limit(listener, address).or_else(|| {
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
        limit.trim().parse().ok()
    })
}

fn queue_limit(listener: BorrowedFd<'_>, address: &ListenAddress) -> Option<u32> {
    let inode = u32::try_from(rustix::fs::fstat(listener).ok()?.st_ino).ok()?;
    any(address.tcp()?, TCP_LISTEN, |row| {
        (row.inode == inode).then_some(row.queue_limit)
    })
    .ok()?
}

/// Goes through the sockets of a port that are in a state, until `find` has found something.
fn any<T>(address: SocketAddr, state: u32, find: impl Fn(&Row) -> Option<T>) -> io::Result<Option<T>> {
    // The clients of an IPv6 socket are of its family also where they come by IPv4.
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
        // The kernel has the next piece ready before it answers, so that this never waits.
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((kind, body, next)) = message(rest) {
            match kind {
                NLMSG_DONE => return Ok(None),
                NLMSG_ERROR => return Err(refusal(body)),
                _ => {}
            }
            if let Some(found) = row(body).and_then(|row| find(&row)) {
                return Ok(Some(found));
            }
            rest = next;
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Writes `struct nlmsghdr` and `struct inet_diag_req_v2`. The kernel compares port and state, addresses are left to
/// us.
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

/// Splits the first message off: its type, its body, and what follows.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = word(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, body, next))
}

/// Reads `struct inet_diag_msg`.
fn row(body: &[u8]) -> Option<Row> {
    let local: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let local = if i32::from(*body.first()?) == libc::AF_INET {
        let [a, b, c, d, ..] = local;
        Ipv4Addr::new(a, b, c, d).into()
    } else {
        IpAddr::from(Ipv6Addr::from(local)).to_canonical()
    };
    Some(Row {
        local,
        queue_limit: word(body, 60)?,
        inode: word(body, 68)?,
    })
}

fn refusal(body: &[u8]) -> io::Error {
    match word(body, 0) {
        Some(number) => io::Error::from_raw_os_error((number as i32).saturating_neg()),
        None => io::ErrorKind::InvalidData.into(),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
