//! What the kernel counts for all listeners of a network namespace together.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use super::options;

/// Room for the file, which has some 4 KiB; what would be beyond is not read.
const ROOM: usize = 16 * 1024;

/// Counts of one moment, since the namespace was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListenCounts {
    /// `ListenOverflows`: an accept queue was full.
    pub(crate) overflows: u64,
    /// `ListenDrops`: that, and every other reason to drop what came to a listener.
    pub(crate) drops: u64,
}

/// The file with the counts of the namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    cookie: Option<u64>,
    text: Box<[u8; ROOM]>,
}

impl Namespace {
    pub(crate) fn open() -> io::Result<Self> {
        // Not `/proc/net`, which is the main thread's. Once open it stays with its namespace, whoever reads.
        let file = File::open("/proc/thread-self/net/netstat")?;
        Ok(Self {
            file,
            cookie: own_cookie(),
            text: Box::new([0; ROOM]),
        })
    }

    /// Returns the number of the namespace, where the kernel tells.
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

/// Returns the number of this thread's network namespace, which any new socket of it knows.
fn own_cookie() -> Option<u64> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    );
    options::namespace_cookie(socket.ok()?.as_raw_fd()).ok()
}

/// Finds the two counts. A line of names is followed by a line of values, both with the same first word.
fn parse(text: &[u8]) -> Option<ListenCounts> {
    const BEGIN: &[u8] = b"TcpExt: ";
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut next = || lines.by_ref().find_map(|line| line.strip_prefix(BEGIN));
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
    fn the_counts_are_found_by_their_names() {
        let text = b"TcpExt: SyncookiesSent ListenOverflows X ListenDrops Y\nTcpExt: 1 22 3 44 5\nIpExt: A\nIpExt: 9\n";
        let counts = ListenCounts {
            overflows: 22,
            drops: 44,
        };
        assert_eq!(parse(text), Some(counts));
    }

    #[test]
    fn what_lacks_a_count_has_none() {
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
    fn the_kernel_s_own_file_is_read_without_a_wait() {
        let mut namespace = Namespace::open().expect("there is /proc");
        let (first, second) = (namespace.read().expect("first"), namespace.read().expect("again"));
        assert!(second.overflows >= first.overflows && second.drops >= first.drops);
    }
}
