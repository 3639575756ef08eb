//! The connections that are open, and the end of those that are too many.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use campanile_listen::Accepted;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::activity::Activity;
use super::connection;
use crate::Peer;
use crate::service::AdminService;

/// So many connections are open at once. The next one takes the place of the one that is missed least: a probe is answered
/// however many others hold connections.
const CONNECTIONS: usize = 512;

pub(super) struct Open {
    service: AdminService,
    zero: Instant,
    tasks: JoinSet<()>,
    connections: Vec<Connection>,
}

struct Connection {
    activity: Arc<Activity>,
    closing: Arc<Notify>,
    task: AbortHandle,
}

impl Open {
    pub(super) fn new(service: AdminService) -> Self {
        Self {
            service,
            zero: Instant::now(),
            tasks: JoinSet::new(),
            connections: Vec::new(),
        }
    }

    /// Serves a connection from now on.
    pub(super) fn add(&mut self, accepted: Accepted) {
        self.connections
            .retain(|connection| !connection.task.is_finished());
        if self.connections.len() >= CONNECTIONS {
            self.drop_one();
        }
        let activity = Activity::new(self.zero);
        let closing = Arc::new(Notify::new());
        let peer = Peer::from(&accepted.peer);
        let serving = connection::serve(
            accepted.io,
            peer,
            self.service.clone(),
            Arc::clone(&activity),
            Arc::clone(&closing),
        );
        let task = self.tasks.spawn(serving);
        self.connections.push(Connection {
            activity,
            closing,
            task,
        });
    }

    fn drop_one(&mut self) {
        let ranked = self.connections.iter().enumerate();
        let missed_least = ranked.min_by_key(|(_, connection)| connection.activity.rank());
        if let Some((index, _)) = missed_least {
            self.connections.swap_remove(index).task.abort();
        }
    }

    /// Takes note of those that have ended. Whatever panicked took only its own connection with it.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
    }

    /// Lets answers be sent to their end, but for so long at most.
    pub(super) async fn close(mut self, patience: Duration) {
        for connection in &self.connections {
            connection.closing.notify_one();
        }
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // Who has not read by then is cut off.
        let _ = tokio::time::timeout(patience, ended).await;
    }
}
