//! The admin port, put together from closures.

use std::fmt;
#[cfg(unix)]
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use ipnet::IpNet;

#[cfg(unix)]
use crate::Listen;
use crate::exposition::IntoExposition;
use crate::live::LENGTHS;
use crate::settings::{LogLevel, Settings};
use crate::{AdminService, Check, Peer, Probes, Request, Sampler, Status};

/// What the admin port answers, and whom. See the [crate docs](crate).
///
/// What is not given is not there: its path is answered 404. Cloning shares the closures and the history of the live page.
#[derive(Clone, Default)]
pub struct Admin {
    settings: Settings,
}

impl Admin {
    /// Creates an admin port that only knows that the process lives.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `/metrics` with what `render` yields: a text, an [`Exposition`](crate::Exposition), and either in an `Option`
    /// or a `Result`. It is given the value of the `Accept` header, empty if there is none.
    ///
    /// It is called in a thread that may block. What it does not yield within ten seconds is answered 503.
    #[must_use]
    pub fn with_metrics<F, X>(mut self, render: F) -> Self
    where
        F: Fn(&str) -> X + Send + Sync + 'static,
        X: IntoExposition,
    {
        self.settings.render = Some(Arc::new(move |accept: &str| render(accept).into_exposition()));
        self
    }

    /// Feeds the live page with this text instead of that of `/metrics`: the families that it shows, under their default
    /// names, in Prometheus' text format. For services whose `/metrics` wears other names, or has none.
    ///
    /// It is called once a second, in a thread that may block.
    #[must_use]
    pub fn with_live<F>(mut self, text: F) -> Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.settings.live_text = Some(Arc::new(text));
        self
    }

    /// Sets how far the live page looks back, in whole seconds, from two to an hour; five minutes if it is not said.
    ///
    /// Each second is a few hundred bytes of memory, and of what is sent to a page when it is opened.
    #[must_use]
    pub fn with_history(mut self, history: Duration) -> Self {
        let seconds = usize::try_from(history.as_secs()).unwrap_or(usize::MAX);
        self.settings.history = seconds.clamp(*LENGTHS.start(), *LENGTHS.end());
        self
    }

    /// Tells how far the service is. It is asked for every probe and once a second, and should cost no more than a few
    /// atomic loads. Without it the service counts as ready.
    #[must_use]
    pub fn with_status<F, T>(mut self, status: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Into<Status>,
    {
        self.settings.status = Some(Arc::new(move || status().into()));
        self
    }

    /// Asks the named checks of the service's readiness. They are asked for readiness only, before the status is; they should
    /// have limits of their own, since what they do not answer is waited for.
    #[must_use]
    pub fn with_checks<F, C>(mut self, checks: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = Vec<Check>> + Send + 'static,
    {
        self.settings.checks = Some(Arc::new(move || Box::pin(checks())));
        self
    }

    /// Tells which requests are in flight, in any order. It is called in a thread that may block.
    #[must_use]
    pub fn with_requests<F>(mut self, requests: F) -> Self
    where
        F: Fn() -> Vec<Request> + Send + Sync + 'static,
    {
        self.settings.requests = Some(Arc::new(requests));
        self
    }

    /// Starts the drain, whatever is returned. It must not wait for its end, and is called again for each request.
    #[must_use]
    pub fn with_drain<F, R>(mut self, drain: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
    {
        self.settings.drain = Some(Arc::new(move || {
            drain();
        }));
        self
    }

    /// Reads and writes the filter of the log. Why a filter cannot be taken is what `write` fails with.
    #[must_use]
    pub fn with_log_level<R, W>(mut self, read: R, write: W) -> Self
    where
        R: Fn() -> String + Send + Sync + 'static,
        W: Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    {
        self.settings.log_level = Some(LogLevel {
            read: Arc::new(read),
            write: Arc::new(write),
        });
        self
    }

    /// Tells the configuration, as plain text. Leave out secrets.
    #[must_use]
    pub fn with_config<F>(mut self, config: F) -> Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.settings.config = Some(Arc::new(config));
        self
    }

    /// Lets whoever sends `Authorization: Bearer <token>` see and do everything, from wherever. An empty token lets nobody.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.settings.gate.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// Lets clients of this network see and do everything, as those of this machine may. Can be called again.
    #[must_use]
    pub fn with_network(mut self, network: impl Into<IpNet>) -> Self {
        self.settings.gate.networks.push(network.into());
        self
    }

    /// Takes requests whose `Host` is this name, besides `localhost` and addresses. Can be called again.
    #[must_use]
    pub fn with_host(mut self, name: impl Into<String>) -> Self {
        self.settings.gate.hosts.push(name.into());
        self
    }

    /// Asks of who wants `/metrics` what is asked of who wants the rest: this machine, a network or the token.
    #[must_use]
    pub fn with_private_metrics(mut self, private: bool) -> Self {
        self.settings.gate.private_metrics = private;
        self
    }

    /// Finds who sent a request in what the server leaves in its extensions. For a service that is mounted elsewhere; without
    /// it and without a [`Peer`] there, what is private takes the token.
    #[must_use]
    pub fn with_peer<F>(mut self, find: F) -> Self
    where
        F: Fn(&Extensions) -> Option<Peer> + Send + Sync + 'static,
    {
        self.settings.peer = Some(Arc::new(find));
        self
    }

    /// Says that other processes listen on the same port. Probes then say the `pid` of the process that answers, as `/requests`
    /// always does, and `/drain` takes `?pid=` of the process that is meant.
    #[must_use]
    pub fn with_shared_port(mut self, shared: bool) -> Self {
        self.settings.shared_port = shared;
        self
    }

    /// Sets the name that the live page shows.
    #[must_use]
    pub fn with_service_name(mut self, name: impl Into<String>) -> Self {
        self.settings.service_name = name.into();
        self
    }

    /// Sets the version or revision, which the live page shows, and by which `/_status/ping` and `/_status/check` answer.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Returns all endpoints as a service, for a server of your own. The live page also needs a running
    /// [`sampler`](Self::sampler).
    #[must_use]
    pub fn service(&self) -> AdminService {
        AdminService::new(self.settings.clone())
    }

    /// Returns `/_status/ping`, `/_status/check` and `/health` alone, which may be seen by everybody.
    #[must_use]
    pub fn probes(&self) -> Probes {
        Probes::new(self.settings.clone())
    }

    /// Returns what looks at the metrics once a second for the live page. One is enough for all clones of the service.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        Sampler::new(self.settings.clone())
    }

    /// Serves `listener` on this thread, in a runtime of its own, until `until` is done.
    ///
    /// The thread is the caller's: give it one of its own, and end it after everything else, so that what goes on in a stop
    /// can be seen to the end. Answers that are being sent then have half a second.
    ///
    /// # Errors
    ///
    /// Fails if the runtime cannot be made, or the listener not be bound or watched.
    ///
    /// # Panics
    ///
    /// Panics inside a tokio runtime.
    #[cfg(unix)]
    pub fn run_blocking<U>(self, listener: impl Into<Listen>, until: U) -> io::Result<()>
    where
        U: Future<Output = ()>,
    {
        crate::server::run_blocking(self.settings, listener.into(), until)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("service_name", &self.settings.service_name)
            .field("version", &self.settings.version)
            .finish_non_exhaustive()
    }
}
