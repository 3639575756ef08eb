//! Commands to a load.

use std::time::Duration;

use tokio::sync::watch;

/// How long a response may take once its server has exited.
const GRACE: Duration = Duration::from_secs(1);

/// A command, in the order in which commands are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "internal protocol")]
pub enum LoadCommand {
    /// Send requests.
    Run,
    /// Open the burst of connections.
    Burst,
    /// The server has exited: open nothing new, and finish.
    Finish,
    /// The comparison has ended: exit.
    Abort,
}

/// The commands that a load has received.
#[derive(Debug, Clone)]
pub struct LoadCommands(watch::Receiver<LoadCommand>);

impl LoadCommands {
    /// Makes a sender and a receiver of commands.
    #[must_use]
    pub fn channel() -> (watch::Sender<LoadCommand>, Self) {
        let (sender, receiver) = watch::channel(LoadCommand::Run);
        (sender, Self(receiver))
    }

    /// Returns whether a command was received.
    #[must_use]
    pub fn received(&self, command: LoadCommand) -> bool {
        *self.0.borrow() >= command
    }

    /// Waits for a command.
    pub async fn wait_for(&self, command: LoadCommand) {
        // Without a sender the command never arrives.
        if self
            .0
            .clone()
            .wait_for(|received| *received >= command)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the server has exited and responses in flight have arrived.
    pub async fn after_grace_period(&self) {
        self.wait_for(LoadCommand::Finish).await;
        tokio::time::sleep(GRACE).await;
    }
}
