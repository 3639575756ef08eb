//! Reloads certificates on HUP.

use std::io;
use std::sync::Arc;

use campanile_listen::Listener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Tls;
use crate::listener_context::ListenerContext;

/// The HUP handler and the certificates that it reloads.
pub(crate) struct ReloadOnHangup {
    hangup: Signal,
    certificates: Vec<Tls>,
}

impl ReloadOnHangup {
    /// Installs a handler for HUP if a listener has TLS. Otherwise the default action stays, which ends the process.
    pub(crate) fn install(listeners: &[(Listener, Arc<ListenerContext>)]) -> io::Result<Option<Self>> {
        let certificates: Vec<Tls> = listeners
            .iter()
            .filter_map(|(_, context)| Some(context.tls.as_ref()?.tls().clone()))
            .collect();
        if certificates.is_empty() {
            return Ok(None);
        }
        let hangup = signal(SignalKind::hangup())?;
        Ok(Some(Self { hangup, certificates }))
    }

    /// Reloads the certificates at each HUP. Never completes.
    pub(crate) async fn run(this: Option<Self>) {
        let Some(mut this) = this else {
            return std::future::pending().await;
        };
        while this.hangup.recv().await.is_some() {
            for tls in &this.certificates {
                let reloaded = tokio::task::spawn_blocking({
                    let tls = tls.clone();
                    move || tls.reload()
                });
                match reloaded.await {
                    Ok(Ok(())) => tracing::info!(?tls, "certificate reloaded"),
                    Ok(Err(error)) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(?tls, error, "failed to reload certificate; keeping the old one");
                    }
                    // The runtime is shutting down.
                    Err(_) => return std::future::pending().await,
                }
            }
        }
        std::future::pending().await
    }
}
