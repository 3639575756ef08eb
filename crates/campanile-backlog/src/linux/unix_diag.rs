//! Accept queues of unix listeners, read with `unix_diag`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::QueueReading;

// Constants of `linux/netlink.h`, `linux/sock_diag.h` and `linux/unix_diag.h`.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST: usize = HEADER + 24;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
/// The size of `struct unix_diag_msg`, which the attributes follow.
const MESSAGE: usize = 16;
const UNIX_DIAG_RQLEN: u16 = 4;

/// A netlink socket that queries the sockets of the network namespace that it was created in.
#[derive(Debug)]
pub(crate) struct UnixDiag {
    socket: OwnedFd,
    sequence: u32,
}

impl UnixDiag {
    pub(super) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Reads the queue of one socket; `None` if the kernel finds no such socket.
    pub(super) fn read_queue(&mut self, inode: u32, cookie: u64) -> io::Result<Option<QueueReading>> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.sequence, inode, cookie);
        rustix::net::sendto(
            &self.socket,
            &request,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        // The kernel replies within `sendto`, so this never blocks.
        let mut reply = [0_u8; 512];
        loop {
            let (received, _) = rustix::net::recv(&self.socket, &mut reply, RecvFlags::DONTWAIT)?;
            if let Some(reading) = parse(&reply[..received], self.sequence) {
                return reading;
            }
        }
    }
}

fn request(sequence: u32, inode: u32, cookie: u64) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| request[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(REQUEST as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    // `struct unix_diag_req`: family, protocol, padding, states, inode, requested attributes, cookie.
    put(HEADER, &[AddressFamily::UNIX.as_raw() as u8]);
    put(HEADER + 4, &u32::MAX.to_ne_bytes());
    put(HEADER + 8, &inode.to_ne_bytes());
    put(HEADER + 12, &UDIAG_SHOW_RQLEN.to_ne_bytes());
    // Low word first, regardless of the byte order.
    put(HEADER + 16, &(cookie as u32).to_ne_bytes());
    put(HEADER + 20, &((cookie >> 32) as u32).to_ne_bytes());
    request
}

/// Parses a reply; `None` if it belongs to another request.
fn parse(reply: &[u8], sequence: u32) -> Option<io::Result<Option<QueueReading>>> {
    let short = || Some(Err(io::ErrorKind::UnexpectedEof.into()));
    let (Some(kind), Some(reply_to)) = (half(reply, 4), word(reply, 8)) else {
        return short();
    };
    if reply_to != sequence {
        return None;
    }
    match kind {
        NLMSG_ERROR => {
            let number = word(reply, HEADER).map_or(0, |error| (error as i32).wrapping_neg());
            Some(if number == libc::ENOENT {
                Ok(None)
            } else {
                Err(io::Error::from_raw_os_error(number))
            })
        }
        SOCK_DIAG_BY_FAMILY => Some(Ok(queue_attribute(reply))),
        _ => Some(Err(io::ErrorKind::InvalidData.into())),
    }
}

fn queue_attribute(reply: &[u8]) -> Option<QueueReading> {
    let mut rest = reply.get(HEADER + MESSAGE..)?;
    loop {
        let (len, kind) = (usize::from(half(rest, 0)?), half(rest, 2)?);
        if kind == UNIX_DIAG_RQLEN {
            return Some(QueueReading {
                pending: word(rest, 4)?,
                limit: word(rest, 8)?,
                drops: None,
            });
        }
        // At least 4, so that an attribute of length 0 does not loop.
        rest = rest.get(len.max(4).next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    bytes.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(kind: u16, sequence: u32, rest: &[u8]) -> Vec<u8> {
        let mut reply = vec![0; 4];
        reply.extend(kind.to_ne_bytes());
        reply.extend([0; 2]);
        reply.extend(sequence.to_ne_bytes());
        reply.extend([0; 4]);
        reply.extend(rest);
        reply
    }

    #[test]
    fn truncated_replies_do_not_panic() {
        let mut rest = vec![0; MESSAGE];
        // An attribute of five bytes and its padding, then the requested one.
        rest.extend([5_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        rest.extend([0; 4]);
        rest.extend([12_u16.to_ne_bytes(), UNIX_DIAG_RQLEN.to_ne_bytes()].concat());
        rest.extend([7_u32.to_ne_bytes(), 128_u32.to_ne_bytes()].concat());
        let whole = reply(SOCK_DIAG_BY_FAMILY, 9, &rest);
        let reading = QueueReading {
            pending: 7,
            limit: 128,
            drops: None,
        };
        assert_eq!(
            parse(&whole, 9).expect("the sequence matches").ok(),
            Some(Some(reading))
        );
        for end in 0..whole.len() {
            if let Some(Ok(found)) = parse(&whole[..end], 9) {
                assert_eq!(found, None, "{end} bytes");
            }
        }
    }

    #[test]
    fn reply_to_another_request_is_ignored() {
        assert!(parse(&reply(SOCK_DIAG_BY_FAMILY, 8, &[0; MESSAGE]), 9).is_none());
    }

    #[test]
    fn missing_socket_is_none_and_other_errors_are_returned() {
        let error = |number: i32| reply(NLMSG_ERROR, 9, &(-number).to_ne_bytes());
        assert_eq!(
            parse(&error(libc::ENOENT), 9).map(|found| found.ok()),
            Some(Some(None))
        );
        let parsed = parse(&error(libc::EINVAL), 9).map(|found| found.map_err(|error| error.raw_os_error()));
        assert_eq!(parsed, Some(Err(Some(libc::EINVAL))));
    }
}
