//! The filter by which a listening TCP socket takes no new clients and goes on with those it has.

use std::io;
use std::os::fd::BorrowedFd;

use socket2::{SockFilter, SockRef};

/// Where the flags stand in a TCP header. To a filter on a TCP socket the header is the beginning of the packet.
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

// The instructions of bpf(4) that it takes.
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

const DROP: u32 = 0;
const WHOLE: u32 = u32::MAX;

/// Drops what would begin a connection: packets with SYN and without ACK. Their senders repeat them, first after a
/// second, and find whoever listens by then. Everything else passes, above all the last ACK of a handshake.
///
/// The filter is on the socket, not on the descriptor: it holds for all who have one. Connections inherit it, which
/// costs them nothing: a peer does not send such a packet in the middle of one.
pub(crate) fn drop_new_clients(listener: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, DROP),
        SockFilter::new(RETURN, 0, 0, WHOLE),
    ])
}
