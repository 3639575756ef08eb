//! `struct tcp_info` of listeners and of accepted connections, and a listener's drops.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::options;

/// Bytes asked for: what Linux 2.6.22 has of it, and more than is read here. Kernels answer as many as they know.
const SIZE: usize = 104;

/// Byte offsets in `struct tcp_info` of `linux/tcp.h`; it only ever grows at its end.
mod offset {
    /// `tcpi_state`, a byte.
    pub(super) const STATE: usize = 0;
    /// `tcpi_unacked`: of a listener, connections in its accept queue (`tcp_get_info` in `net/ipv4/tcp.c`).
    pub(super) const UNACKED: usize = 24;
    /// `tcpi_sacked`: of a listener, the limit of its accept queue.
    pub(super) const SACKED: usize = 28;
    /// `tcpi_last_data_sent`, milliseconds.
    pub(super) const LAST_DATA_SENT: usize = 44;
    /// `tcpi_last_data_recv`, milliseconds.
    pub(super) const LAST_DATA_RECEIVED: usize = 52;
    /// `tcpi_last_ack_recv`, milliseconds.
    pub(super) const LAST_ACK_RECEIVED: usize = 56;
    /// All that is read lies below.
    pub(super) const END: usize = 60;
}

/// `TCP_LISTEN` of `net/tcp_states.h`.
const LISTEN: u8 = 10;

/// `SK_MEMINFO_DROPS` of `linux/sock_diag.h`: the ninth word.
const DROPS: usize = 8;

pub(super) struct Info([u8; SIZE]);

impl Info {
    pub(super) fn of(fd: RawFd) -> io::Result<Self> {
        let mut bytes = [0; SIZE];
        if options::tcp_info(fd, &mut bytes)? < offset::END {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self(bytes))
    }

    pub(super) fn is_listening(&self) -> bool {
        self.0[offset::STATE] == LISTEN
    }

    pub(super) fn pending(&self) -> u32 {
        self.word(offset::UNACKED)
    }

    pub(super) fn limit(&self) -> u32 {
        self.word(offset::SACKED)
    }

    /// Returns how long ago the handshake was done, as long as nothing was sent.
    ///
    /// The kernel makes a socket when the handshake is done, and starts all three clocks then
    /// (`tcp_create_openreq_child`). Those of what is received start again with the request's bytes, so alone they would
    /// tell too little of a client that is slow to speak; that of what is sent goes on. Should a kernel not start it, the
    /// others still give a lower bound.
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

/// Returns what the kernel dropped at a listener since it was made; it wraps.
pub(super) fn drops(fd: RawFd) -> io::Result<u32> {
    let mut words = [0; 4 * (DROPS + 1)];
    if options::memory_info(fd, &mut words)? < words.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(word(&words, 4 * DROPS))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}
