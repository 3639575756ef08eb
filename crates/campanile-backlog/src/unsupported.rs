//! Stand-ins for the Linux module on other systems.

use std::io;
use std::time::Duration;

use crate::error::{WatchError, WatchErrorKind};

pub(crate) const IS_SUPPORTED: bool = false;

/// Replaces the trait of the standard library on systems without file descriptors.
#[cfg(not(unix))]
pub trait AsFd {}

#[cfg(not(unix))]
impl<T: ?Sized> AsFd for T {}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ListenCounts {
    pub(crate) overflows: u64,
    pub(crate) drops: u64,
}

#[derive(Debug)]
pub(crate) struct Netstat;

#[derive(Debug)]
pub(crate) struct UnixDiag;

#[derive(Debug)]
pub(crate) struct ListeningSocket;

#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) socket: ListeningSocket,
    pub(crate) address: String,
    pub(crate) reading: QueueReading,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueReading {
    pub(crate) pending: u32,
    pub(crate) limit: u32,
    pub(crate) drops: Option<u32>,
}

impl Netstat {
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn read(&mut self) -> io::Result<ListenCounts> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl ListeningSocket {
    pub(crate) fn identify<F>(_: &F, _: &mut Option<UnixDiag>) -> Result<Identified, WatchError> {
        Err(WatchErrorKind::Unsupported.into())
    }

    pub(crate) fn read(&self, _: &mut Option<UnixDiag>) -> io::Result<Option<QueueReading>> {
        Ok(None)
    }

    pub(crate) fn has_filter(&self) -> bool {
        false
    }

    pub(crate) fn is_in_namespace(&self, _: &Netstat) -> bool {
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
