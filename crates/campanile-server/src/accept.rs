//! Accepts the connections of one listener, up to the last one in its queue.

use std::sync::Arc;

use campanile_lifecycle::ShutdownGuard;
use campanile_listen::{Accepted, Listener};

use crate::connection;
use crate::service::Serve;
use crate::site::Site;

/// Accepts until the drain time is over, then what is still in the queue, and comes to an end with the listener
/// closed. Each connection gets a task.
pub(crate) async fn accept<S: Serve>(
    mut listener: Listener,
    site: Arc<Site>,
    service: S,
    hold: ShutdownGuard,
) {
    let handle = site.handle.clone();
    let label = site.label.clone();
    // Moved, since a service need not be `Sync`.
    let begin = move |accepted: Accepted| {
        // Here and not in its task, for which it would wait as well.
        let queue_wait = site.queue_wait.record(&accepted.io);
        let hold = site.handle.guard();
        let service = service.clone();
        tokio::spawn(connection::serve(
            accepted,
            queue_wait,
            Arc::clone(&site),
            service,
            hold,
        ));
    };
    let mut over = handle.drain_elapsed();
    loop {
        // In random order: under load one of the two is always ready, and must not starve the other.
        tokio::select! {
            accepted = listener.accept() => begin(accepted),
            () = &mut over => break,
        }
    }
    tracing::debug!(listener = label.as_str(), "closing the listener");
    let mut closing = listener.close();
    let mut cutting = handle.cutting();
    loop {
        tokio::select! {
            accepted = closing.accept() => match accepted {
                Some(accepted) => {
                    handle.count_accepted_after_close();
                    begin(accepted);
                }
                None => break,
            },
            () = &mut cutting => break,
        }
    }
    drop(closing);
    drop(hold);
}
