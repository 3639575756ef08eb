//! The listen counters of a network namespace.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use super::socket_options;

/// The maximum size that is read. The file has about 4 KiB.
const MAX_SIZE: usize = 16 * 1024;

/// The counts since the namespace was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListenCounts {
    /// `ListenOverflows`: drops because an accept queue was full.
    pub(crate) overflows: u64,
    /// `ListenDrops`: all drops at listeners, overflows included.
    pub(crate) drops: u64,
}

/// The netstat file of the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Netstat {
    file: File,
    cookie: Option<u64>,
    text: Box<[u8; MAX_SIZE]>,
}

impl Netstat {
    pub(crate) fn open() -> io::Result<Self> {
        // Not `/proc/net`, which is the main thread's. An open file stays with its namespace.
        let file = File::open("/proc/thread-self/net/netstat")?;
        Ok(Self {
            file,
            cookie: namespace_cookie(),
            text: Box::new([0; MAX_SIZE]),
        })
    }

    /// Returns the cookie of the namespace; `None` before Linux 5.14.
    pub(super) fn cookie(&self) -> Option<u64> {
        self.cookie
    }

    pub(crate) fn read(&mut self) -> io::Result<ListenCounts> {
        let mut len = 0;
        loop {
            match self.file.read_at(&mut self.text[len..], len as u64)? {
                0 => break,
                read => len += read,
            }
        }
        parse(&self.text[..len]).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Returns the cookie of this thread's network namespace, from a new socket.
fn namespace_cookie() -> Option<u64> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    );
    socket_options::namespace_cookie(socket.ok()?.as_raw_fd()).ok()
}

/// Parses the two counts. A line of names is followed by a line of values, both with the same first word.
fn parse(text: &[u8]) -> Option<ListenCounts> {
    const PREFIX: &[u8] = b"TcpExt: ";
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut next = || lines.by_ref().find_map(|line| line.strip_prefix(PREFIX));
    let (names, values) = (next()?, next()?);
    let words = |line| <[u8]>::split(line, |byte| *byte == b' ');
    let (mut overflows, mut drops) = (None, None);
    for (name, value) in words(names).zip(words(values)) {
        match name {
            b"ListenOverflows" => overflows = number(value),
            b"ListenDrops" => drops = number(value),
            _ => {}
        }
    }
    Some(ListenCounts {
        overflows: overflows?,
        drops: drops?,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_by_name() {
        let text = b"TcpExt: SyncookiesSent ListenOverflows X ListenDrops Y\nTcpExt: 1 22 3 44 5\nIpExt: A\nIpExt: 9\n";
        let counts = ListenCounts {
            overflows: 22,
            drops: 44,
        };
        assert_eq!(parse(text), Some(counts));
    }

    #[test]
    fn incomplete_text_is_rejected() {
        for text in [
            "",
            "TcpExt: ListenOverflows ListenDrops\n",
            "TcpExt: ListenOverflows ListenDrops\nTcpExt: 1\n",
            "TcpExt: ListenOverflows ListenDrops\nTcpExt: 1 x\n",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn file_of_the_kernel_is_parsed() {
        let mut netstat = Netstat::open().expect("/proc is mounted");
        let (first, second) = (netstat.read().expect("first"), netstat.read().expect("second"));
        assert!(second.overflows >= first.overflows && second.drops >= first.drops);
    }
}
