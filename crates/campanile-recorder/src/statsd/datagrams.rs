//! Lines become datagrams.

use std::{fmt, io, sync::Arc};

use cadence::MetricSink;

use super::{
    Stop,
    counts::{Tally, add},
};

/// Cuts lines into datagrams and sends them.
pub(super) struct Datagrams {
    sink: Box<dyn MetricSink + Send>,
    /// Bytes of a datagram at most.
    size: usize,
    tally: Arc<Tally>,
}

impl Datagrams {
    pub(super) fn new(sink: Box<dyn MetricSink + Send>, size: usize, tally: Arc<Tally>) -> Self {
        Self { sink, size, tally }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Sends lines, each of which fits and ends in a line feed, and returns the bytes that are done with, sent or not:
    /// all of them, or without `rest` those that make full datagrams.
    ///
    /// Once stopped it gives up at the first datagram for which there is no room, so that nobody waits for a receiver
    /// that does not read.
    pub(super) fn send(&self, lines: &str, rest: bool, stop: &Stop) -> usize {
        let mut done = 0;
        let mut give_up = false;
        while done < lines.len() {
            let left = &lines[done..];
            let datagram = match cut(left, self.size) {
                Some(end) => &left[..end],
                None if rest => &left[..left.len() - 1],
                None => break,
            };
            done += datagram.len() + 1;
            if give_up {
                add(&self.tally.lines_failed, count(datagram));
            } else if let Err(error) = self.send_one(datagram) {
                give_up = is_full(&error) && stop.is_stopped();
            }
        }
        done
    }

    fn send_one(&self, datagram: &str) -> io::Result<()> {
        let mut sent = self.emit(datagram);
        // A refusal tells of an earlier datagram, and this one was not tried at all.
        if matches!(&sent, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused) {
            sent = self.emit(datagram);
        }
        let lines = count(datagram);
        match sent {
            Ok(_) => {
                add(&self.tally.lines_sent, lines);
                add(&self.tally.datagrams_sent, 1);
                Ok(())
            }
            Err(error) => {
                add(&self.tally.lines_failed, lines);
                Err(error)
            }
        }
    }

    fn emit(&self, datagram: &str) -> io::Result<usize> {
        self.sink
            .emit(datagram)
            .inspect_err(|_| add(&self.tally.send_errors, 1))
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Returns the end of the first datagram, where there are more lines than fit into one.
fn cut(lines: &str, size: usize) -> Option<usize> {
    if lines.len() <= size + 1 {
        return None;
    }
    let end = lines[..=size].rfind('\n')?;
    // A gauge's negative value stays with the zero before it, for datagrams may overtake each other.
    let next = lines[end + 1..].split('\n').next().unwrap_or_default();
    if is_negative(next)
        && let Some(earlier) = lines[..end].rfind('\n')
    {
        return Some(earlier);
    }
    Some(end)
}

fn is_negative(line: &str) -> bool {
    // No name holds a colon, and tags stand behind the value or in the name.
    line.split_once(':')
        .is_some_and(|(_, value)| value.starts_with('-'))
}

fn count(datagram: &str) -> u64 {
    1 + datagram.bytes().map(|byte| u64::from(byte == b'\n')).sum::<u64>()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_cut_between_lines_and_not_before_a_negative_value() {
        assert_eq!(cut("a:1|c\n", 5), None);
        assert_eq!(cut("a:1|c\nb:1|c\n", 11), None);
        assert_eq!(cut("a:1|c\nb:1|c\n", 10), Some(5));
        assert_eq!(cut("a:1|c\nb:1|c\n", 5), Some(5));
        assert_eq!(cut("a:1|c\nb:1|c\nc:1|c\n", 16), Some(11));
        assert_eq!(cut("a:1|c\nb:0|g\nb:-1|g\n", 12), Some(5));
        assert_eq!(cut("b:0|g\nb:-1|g\n", 6), Some(5));
    }
}
