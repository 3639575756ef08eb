//! Certificates are loaded anew when the process is told to hang up.

use std::io;
use std::sync::Arc;

use campanile_listen::Listener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Tls;
use crate::site::Site;

/// Waits for HUP.
pub(crate) struct Reload {
    hang_up: Signal,
    certificates: Vec<Tls>,
}

impl Reload {
    /// Catches HUP, if there is a listener with TLS; else its default stays, which ends the process.
    pub(crate) fn on_hang_up(listeners: &[(Listener, Arc<Site>)]) -> io::Result<Option<Self>> {
        let sites = listeners.iter().map(|(_, site)| site);
        let certificates: Vec<Tls> = sites
            .filter_map(|site| Some(site.tls.as_ref()?.tls().clone()))
            .collect();
        if certificates.is_empty() {
            return Ok(None);
        }
        let hang_up = signal(SignalKind::hangup())?;
        Ok(Some(Self {
            hang_up,
            certificates,
        }))
    }

    /// Reloads for ever.
    pub(crate) async fn run(this: Option<Self>) {
        let Some(mut this) = this else {
            return std::future::pending().await;
        };
        while this.hang_up.recv().await.is_some() {
            for tls in &this.certificates {
                let reloaded = tokio::task::spawn_blocking({
                    let tls = tls.clone();
                    move || tls.reload()
                });
                match reloaded.await {
                    Ok(Ok(())) => tracing::info!(?tls, "certificate loaded anew"),
                    Ok(Err(error)) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(?tls, error, "certificate not loaded: the old one stays in use");
                    }
                    // The runtime is going down.
                    Err(_) => return std::future::pending().await,
                }
            }
        }
        std::future::pending().await
    }
}
