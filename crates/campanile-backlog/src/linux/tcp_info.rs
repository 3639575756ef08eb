//! `TCP_INFO` of listeners and accepted connections, and the drop count of a listener.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::{QueueReading, socket_options};

/// The size of `struct tcp_info` in Linux 2.6.22, which has all fields read here. The kernel fills in what it knows.
const SIZE: usize = 104;

/// Byte offsets in `struct tcp_info` of `linux/tcp.h`, which only grows at its end.
mod offset {
    /// `tcpi_state`, one byte.
    pub(super) const STATE: usize = 0;
    /// `tcpi_unacked`: for a listener, connections in its accept queue (`tcp_get_info` in `net/ipv4/tcp.c`).
    pub(super) const UNACKED: usize = 24;
    /// `tcpi_sacked`: for a listener, the limit of its accept queue.
    pub(super) const SACKED: usize = 28;
    /// `tcpi_last_data_sent`, milliseconds.
    pub(super) const LAST_DATA_SENT: usize = 44;
    /// `tcpi_last_data_recv`, milliseconds.
    pub(super) const LAST_DATA_RECEIVED: usize = 52;
    /// `tcpi_last_ack_recv`, milliseconds.
    pub(super) const LAST_ACK_RECEIVED: usize = 56;
    /// The end of the fields read here.
    pub(super) const END: usize = 60;
}

/// `TCP_LISTEN` of `net/tcp_states.h`.
const LISTEN: u8 = 10;

/// The index of `SK_MEMINFO_DROPS` of `linux/sock_diag.h`.
const DROPS: usize = 8;

pub(super) struct TcpInfo([u8; SIZE]);

impl TcpInfo {
    pub(super) fn read(fd: RawFd) -> io::Result<Self> {
        let mut bytes = [0; SIZE];
        if socket_options::tcp_info(fd, &mut bytes)? < offset::END {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self(bytes))
    }

    /// Returns how long ago the handshake completed, as long as nothing was sent.
    ///
    /// The kernel starts all three clocks when it creates the socket at the end of the handshake
    /// (`tcp_create_openreq_child`). The clocks of received data restart with the request's bytes, so alone they would be
    /// too low for slow clients; the clock of sent data does not. The others are a lower bound on kernels that do not
    /// start it.
    pub(super) fn waited(&self) -> Duration {
        let clocks = [
            offset::LAST_DATA_SENT,
            offset::LAST_DATA_RECEIVED,
            offset::LAST_ACK_RECEIVED,
        ];
        let milliseconds = clocks.into_iter().map(|clock| self.word(clock)).max();
        Duration::from_millis(milliseconds.unwrap_or_default().into())
    }

    fn word(&self, at: usize) -> u32 {
        word(&self.0, at)
    }
}

/// Reads the accept queue of a TCP socket; `None` if it is not listening.
pub(super) fn read_queue(fd: RawFd) -> io::Result<Option<QueueReading>> {
    let info = TcpInfo::read(fd)?;
    if info.0[offset::STATE] != LISTEN {
        return Ok(None);
    }
    Ok(Some(QueueReading {
        pending: info.word(offset::UNACKED),
        limit: info.word(offset::SACKED),
        drops: Some(drops(fd)?),
    }))
}

/// Returns the number of packets dropped since the socket was created. It wraps around.
fn drops(fd: RawFd) -> io::Result<u32> {
    let mut words = [0; 4 * (DROPS + 1)];
    if socket_options::memory_info(fd, &mut words)? < words.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(word(&words, 4 * DROPS))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}
