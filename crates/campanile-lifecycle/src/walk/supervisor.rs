//! The service manager, if there is one, told again what it could not be told.

#[cfg(unix)]
use crate::notify::Notifier;

#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    #[cfg(unix)]
    notifier: Option<Notifier>,
    #[cfg(unix)]
    unsent: Option<String>,
}

#[cfg(unix)]
impl Supervisor {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            notifier: Some(notifier),
            unsent: None,
        }
    }

    /// Tells a new state, instead of an older one that was not heard.
    pub(crate) fn tell(&mut self, message: String) {
        let Some(notifier) = &self.notifier else {
            return;
        };
        match notifier.notify(&message) {
            Ok(()) => self.unsent = None,
            Err(error) => {
                tracing::warn!(%error, message, "the service manager could not be told, and will be again");
                self.unsent = Some(message);
            }
        }
    }

    /// Tells once more what was not heard.
    pub(crate) fn retry(&mut self) {
        if let Some(message) = self.unsent.take() {
            self.tell(message);
        }
    }
}

#[cfg(not(unix))]
impl Supervisor {
    pub(crate) fn tell(&mut self, _: String) {}

    pub(crate) fn retry(&mut self) {}
}
