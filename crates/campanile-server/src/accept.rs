//! The accept loop of a listener.

use std::io;
use std::sync::Arc;

use campanile_lifecycle::ShutdownGuard;
use campanile_listen::{Accepted, Listener};

use crate::connection;
use crate::listener_context::ListenerContext;
use crate::service::Serve;

/// Accepts until the drain time has elapsed, then empties the accept queue and closes the listener. Spawns a task for each
/// connection.
///
/// # Errors
///
/// If the socket no longer listens.
pub(crate) async fn accept<S: Serve>(
    mut listener: Listener,
    context: Arc<ListenerContext>,
    service: S,
    guard: ShutdownGuard,
) -> io::Result<()> {
    let handle = context.handle.clone();
    let label = context.label.clone();
    // Moves the service, which need not be `Sync`.
    let spawn = move |accepted: Accepted| {
        // Not in the task: the measured wait would include the time until its first poll.
        let queue_wait = context.queue_wait.record(&accepted.io);
        let guard = context.handle.guard();
        let service = service.clone();
        tokio::spawn(connection::serve(
            accepted,
            queue_wait,
            Arc::clone(&context),
            service,
            guard,
        ));
    };
    let mut drain_elapsed = handle.drain_elapsed();
    loop {
        // Not biased: under load both are always ready, and neither may starve the other.
        tokio::select! {
            accepted = listener.accept_or_fail() => spawn(accepted?),
            () = &mut drain_elapsed => break,
        }
    }
    tracing::debug!(listener = label.as_str(), "closing listener");
    let mut closing = listener.close();
    let mut cutting = handle.cutting();
    loop {
        tokio::select! {
            accepted = closing.accept() => match accepted {
                Some(accepted) => {
                    handle.count_accepted_after_close();
                    spawn(accepted);
                }
                None => break,
            },
            () = &mut cutting => break,
        }
    }
    drop(closing);
    drop(guard);
    Ok(())
}
