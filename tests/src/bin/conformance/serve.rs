//! Serves until a signal says to stop, and no longer than a bound after that.

use std::{io, pin::pin, time::Duration};

use axum::{Router, serve::Listener};
use campanile_listen::Connections;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{flags::Flags, health::Phase, listen::Bound, routes};

/// How long a stop waits for what is in flight.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves; calls `announce` once everything is in place.
pub(crate) async fn serve(
    bound: Bound,
    flags: &Flags,
    phase: &Phase,
    announce: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let mut connections = Connections::new(bound.label()?);
    if let Some(limit) = flags.max_connections {
        connections = connections.with_limit(limit.get());
    }
    let app = routes::router(phase.clone(), flags);
    let signals = Signals::new()?;
    phase.ready();
    announce()?;
    match bound {
        Bound::Tcp(listener) => until_stopped(listener, &connections, app, signals, phase).await,
        Bound::Unix(listener, _file) => until_stopped(listener, &connections, app, signals, phase).await,
    }
}

async fn until_stopped<L>(
    listener: L,
    connections: &Connections,
    app: Router,
    signals: Signals,
    phase: &Phase,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let (stop, stopped) = watch::channel(());
    let told = {
        let mut stopped = stopped.clone();
        async move {
            // An error says the same: whoever tells is gone.
            let _ = stopped.changed().await;
        }
    };
    let mut server = pin!(
        axum::serve(connections.count_listener(listener), app)
            .with_graceful_shutdown(told)
            .into_future()
    );
    tokio::select! {
        ended = &mut server => return ended,
        () = signals.any() => {}
    }
    tracing::info!("stopping");
    phase.draining();
    stop.send_replace(());
    match tokio::time::timeout(STOP_TIMEOUT, server).await {
        Ok(ended) => ended,
        Err(_) => {
            tracing::warn!("cut what was left of the service after {STOP_TIMEOUT:?}");
            Ok(())
        }
    }
}

/// The signals that ask for a stop, listened to from the moment this is made.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn any(mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
