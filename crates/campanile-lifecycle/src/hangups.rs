//! The signal HUP, which requests a reload.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::signal_thread::{Receiver, Subscription};

/// Receives HUP, by which operators request that a service reloads its configuration.
///
/// As long as a value exists, HUP does not end the process. It is also received if it was ignored before, as by `nohup`:
/// what is installed here survives a hangup as well. When the last value is dropped, the previous action is restored.
#[derive(Debug)]
#[must_use = "HUP has its previous action again when this is dropped"]
pub struct Hangups {
    received: Arc<Notify>,
    _subscription: Subscription,
}

impl Hangups {
    /// Installs the handler.
    ///
    /// # Errors
    ///
    /// If the system refuses the handler, or the thread that takes signals cannot be started.
    pub fn install() -> io::Result<Self> {
        let received = Arc::new(Notify::new());
        Ok(Self {
            _subscription: Subscription::new(Receiver::Hangup(Arc::clone(&received)))?,
            received,
        })
    }

    /// Waits for the next HUP. Those that arrive between two calls count as one.
    ///
    /// Cancel safe: a HUP is not lost if the future is dropped.
    pub async fn recv(&mut self) {
        self.received.notified().await;
    }
}
