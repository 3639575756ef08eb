//! Reloads certificates on HUP.

use std::io;
use std::sync::Arc;

use campanile_lifecycle::Hangups;
use campanile_listen::Listener;

use crate::listener_context::ListenerContext;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// The HUP handler, and the certificates that it reloads.
pub(crate) struct ReloadOnHangup {
    hangups: Hangups,
    #[cfg(feature = "tls")]
    certificates: Vec<Tls>,
}

impl ReloadOnHangup {
    /// Installs a handler for HUP, also without certificates: an operator who sends it to every service of a machine must
    /// not end those that have nothing to reload.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_variables, reason = "certificates are for TLS")
    )]
    pub(crate) fn install(listeners: &[(Listener, Arc<ListenerContext>)]) -> io::Result<Self> {
        Ok(Self {
            hangups: Hangups::install()?,
            #[cfg(feature = "tls")]
            certificates: listeners
                .iter()
                .filter_map(|(_, context)| Some(context.tls.as_ref()?.tls().clone()))
                .collect(),
        })
    }

    /// Reloads the certificates at each HUP. Never completes.
    pub(crate) async fn run(this: Option<Self>) {
        let Some(mut this) = this else {
            return std::future::pending().await;
        };
        loop {
            this.hangups.recv().await;
            this.reload().await;
        }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "reading certificates is async")]
    async fn reload(&self) {
        tracing::info!("received SIGHUP: there is no certificate to reload");
    }

    #[cfg(feature = "tls")]
    async fn reload(&self) {
        let with_files = self.certificates.iter().filter(|tls| tls.has_files());
        let with_files: Vec<_> = with_files.cloned().collect();
        if with_files.is_empty() {
            tracing::info!("received SIGHUP: there is no certificate to reload");
            return;
        }
        tracing::info!("received SIGHUP: reloading certificates");
        for tls in with_files {
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
                // It panicked, or the runtime is shutting down.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(?tls, error, "certificate was not reloaded; keeping the old one");
                }
            }
        }
    }
}
