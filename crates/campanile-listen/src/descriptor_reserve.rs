//! Descriptors that are kept for connections, for when the process has none left.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::FdFlags;

use crate::AcceptedStream;

/// Descriptors that a listener holds back for its own connections, so that it accepts while the rest of the process has used up
/// all descriptors. Clones share them. See [`Listener::with_descriptor_reserve`](crate::Listener::with_descriptor_reserve).
///
/// Another thread can take a descriptor in the moment between its release and the accept; the reserve is larger than one for
/// that reason.
#[derive(Clone)]
pub struct DescriptorReserve {
    state: Arc<ReserveState>,
}

struct ReserveState {
    size: usize,
    /// Refers to no resource; the held descriptors are copies of it.
    null: Option<File>,
    held: Mutex<Vec<OwnedFd>>,
}

impl DescriptorReserve {
    /// Opens `size` descriptors, or as many as there are.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let reserve = Self {
            state: Arc::new(ReserveState {
                size,
                null: File::open("/dev/null").ok(),
                held: Mutex::new(Vec::with_capacity(size)),
            }),
        };
        reserve.refill();
        reserve
    }

    /// Closes a connection. If the reserve is not full, its descriptor goes there, at no moment free for others to take.
    pub fn close(&self, stream: AcceptedStream) {
        let Some(null) = &self.state.null else {
            return;
        };
        let mut held = self.held();
        if held.len() >= self.state.size {
            return;
        }
        let descriptor = match stream {
            AcceptedStream::Tcp(stream) => stream.into_std().map(OwnedFd::from),
            AcceptedStream::Unix(stream) => stream.into_std().map(OwnedFd::from),
        };
        if let Ok(mut descriptor) = descriptor
            && rustix::io::dup2(null, &mut descriptor).is_ok()
            // The copy does not have the flag of the original.
            && rustix::io::fcntl_setfd(&descriptor, FdFlags::CLOEXEC).is_ok()
        {
            held.push(descriptor);
        }
    }

    /// Releases a descriptor for a connection. Returns false if none is left.
    pub(crate) fn release(&self) -> bool {
        self.held().pop().is_some()
    }

    /// Takes descriptors until the reserve is full again, or there are no more.
    pub(crate) fn refill(&self) {
        let Some(null) = &self.state.null else {
            return;
        };
        let mut held = self.held();
        while held.len() < self.state.size {
            let Ok(copy) = null.try_clone() else {
                return;
            };
            held.push(copy.into());
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        self.state.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DescriptorReserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescriptorReserve")
            .field("size", &self.state.size)
            .field("held", &self.held().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::fcntl_getfd;
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn descriptors_are_not_inherited_by_child_processes() {
        let reserve = DescriptorReserve::new(2);
        assert!(reserve.release());
        let (stream, _other) = UnixStream::pair().unwrap();
        reserve.close(AcceptedStream::Unix(stream));
        let held = reserve.held();
        assert_eq!(held.len(), 2);
        for descriptor in &*held {
            assert_eq!(fcntl_getfd(descriptor).unwrap(), FdFlags::CLOEXEC);
        }
    }
}
