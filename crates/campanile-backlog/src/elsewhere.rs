//! Where there is no Linux: the same names, and nobody who tells anything.

use std::io;
use std::time::Duration;

use crate::error::{WatchError, WatchErrorKind};

/// Nothing is to be known here.
pub(crate) const IS_KNOWN: bool = false;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ListenCounts {
    pub(crate) overflows: u64,
    pub(crate) drops: u64,
}

#[derive(Debug)]
pub(crate) struct Namespace;

#[derive(Debug)]
pub(crate) struct UnixDiag;

#[derive(Debug)]
pub(crate) struct Socket;

#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) socket: Socket,
    pub(crate) address: String,
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) pending: u32,
    pub(crate) limit: u32,
    pub(crate) drops: Option<u32>,
}

impl Namespace {
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn read(&mut self) -> io::Result<ListenCounts> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Socket {
    pub(crate) fn identify<F>(_: &F, _: &mut Option<UnixDiag>) -> Result<Identified, WatchError> {
        Err(WatchErrorKind::Unsupported.into())
    }

    pub(crate) fn read(&self, _: &mut Option<UnixDiag>) -> io::Result<Option<Reading>> {
        Ok(None)
    }

    pub(crate) fn has_filter(&self) -> bool {
        false
    }

    pub(crate) fn is_of(&self, _: &Namespace) -> bool {
        false
    }

    pub(crate) fn counts_drops(&self) -> bool {
        false
    }

    pub(crate) fn is_same(&self, _: &Self) -> bool {
        false
    }
}

pub(crate) fn waited<F>(_: &F) -> io::Result<Duration> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn somaxconn() -> Option<u32> {
    None
}
