//! Queues of unix listeners, by `unix_diag`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

// Numbers of `linux/netlink.h`, `linux/sock_diag.h` and `linux/unix_diag.h`.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST: usize = HEADER + 24;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
/// What `struct unix_diag_msg` takes, behind which the attributes begin.
const MESSAGE: usize = 16;
const UNIX_DIAG_RQLEN: u16 = 4;

/// The length and the limit of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) pending: u32,
    pub(super) limit: u32,
}

/// A socket that asks the kernel for other sockets of the network namespace that it was made in.
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

    /// Asks for one socket; nothing if the kernel has none such.
    pub(super) fn queue(&mut self, inode: u32, cookie: u64) -> io::Result<Option<Queue>> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.sequence, inode, cookie);
        rustix::net::sendto(
            &self.socket,
            &request,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        // The kernel answers within the call that asks, so there is nothing to wait for.
        let mut answer = [0_u8; 512];
        loop {
            let (received, _) = rustix::net::recv(&self.socket, &mut answer, RecvFlags::DONTWAIT)?;
            if let Some(answer) = parse(&answer[..received], self.sequence) {
                return answer;
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
    // `struct unix_diag_req`: family, protocol, padding, states, inode, what to show, cookie.
    put(HEADER, &[AddressFamily::UNIX.as_raw() as u8]);
    put(HEADER + 4, &u32::MAX.to_ne_bytes());
    put(HEADER + 8, &inode.to_ne_bytes());
    put(HEADER + 12, &UDIAG_SHOW_RQLEN.to_ne_bytes());
    // Its two words are the cookie's low and high half, whatever the order of bytes.
    put(HEADER + 16, &(cookie as u32).to_ne_bytes());
    put(HEADER + 20, &((cookie >> 32) as u32).to_ne_bytes());
    request
}

/// Reads an answer; nothing if it is to another question.
fn parse(answer: &[u8], sequence: u32) -> Option<io::Result<Option<Queue>>> {
    let short = || Some(Err(io::ErrorKind::UnexpectedEof.into()));
    let (Some(kind), Some(to)) = (half(answer, 4), word(answer, 8)) else {
        return short();
    };
    if to != sequence {
        return None;
    }
    match kind {
        NLMSG_ERROR => {
            let number = word(answer, HEADER).map_or(0, |error| (error as i32).wrapping_neg());
            Some(if number == libc::ENOENT {
                Ok(None)
            } else {
                Err(io::Error::from_raw_os_error(number))
            })
        }
        SOCK_DIAG_BY_FAMILY => Some(Ok(attribute(answer, UNIX_DIAG_RQLEN))),
        _ => Some(Err(io::ErrorKind::InvalidData.into())),
    }
}

fn attribute(answer: &[u8], wanted: u16) -> Option<Queue> {
    let mut rest = answer.get(HEADER + MESSAGE..)?;
    loop {
        let (len, kind) = (usize::from(half(rest, 0)?), half(rest, 2)?);
        if kind == wanted {
            return Some(Queue {
                pending: word(rest, 4)?,
                limit: word(rest, 8)?,
            });
        }
        // One that has no length would be met for ever.
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

    fn answer(kind: u16, sequence: u32, rest: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; 4];
        answer.extend(kind.to_ne_bytes());
        answer.extend([0; 2]);
        answer.extend(sequence.to_ne_bytes());
        answer.extend([0; 4]);
        answer.extend(rest);
        answer
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_is_survived() {
        let mut rest = vec![0; MESSAGE];
        // An attribute of five bytes and its padding, then the one that was asked for.
        rest.extend([5_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        rest.extend([0; 4]);
        rest.extend([12_u16.to_ne_bytes(), UNIX_DIAG_RQLEN.to_ne_bytes()].concat());
        rest.extend([7_u32.to_ne_bytes(), 128_u32.to_ne_bytes()].concat());
        let whole = answer(SOCK_DIAG_BY_FAMILY, 9, &rest);
        let queue = Queue {
            pending: 7,
            limit: 128,
        };
        assert_eq!(
            parse(&whole, 9).expect("it is the answer").ok(),
            Some(Some(queue))
        );
        for end in 0..whole.len() {
            if let Some(Ok(found)) = parse(&whole[..end], 9) {
                assert_eq!(found, None, "of {end} bytes");
            }
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        assert!(parse(&answer(SOCK_DIAG_BY_FAMILY, 8, &[0; MESSAGE]), 9).is_none());
    }

    #[test]
    fn no_entry_is_no_error_and_the_rest_is() {
        let error = |number: i32| answer(NLMSG_ERROR, 9, &(-number).to_ne_bytes());
        assert_eq!(
            parse(&error(libc::ENOENT), 9).map(|found| found.ok()),
            Some(Some(None))
        );
        let parsed = parse(&error(libc::EINVAL), 9).map(|found| found.map_err(|error| error.raw_os_error()));
        assert_eq!(parsed, Some(Err(Some(libc::EINVAL))));
    }
}
