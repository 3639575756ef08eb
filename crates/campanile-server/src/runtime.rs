//! A tokio runtime for one server, which ends with it.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tower::Service;

use crate::Server;
use crate::error::{ServeError, ServeErrorKind};
use crate::log::chain;
use crate::service::{BoxError, Serve};

/// A tokio runtime that runs one [`Server`] and ends with it: the whole of `fn main`.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use axum::Router;
/// use campanile_server::{Server, ServerRuntime};
/// # async fn connect() -> Result<String, std::io::Error> { Ok(String::new()) }
///
/// fn main() -> ExitCode {
///     ServerRuntime::new().with_worker_threads(4).run(async {
///         let database = connect().await?;
///         let app = Router::new().with_state(database);
///         Ok::<_, std::io::Error>(Server::new(app).bind("0.0.0.0:8080"))
///     })
/// }
/// ```
///
/// With `#[tokio::main]`, the end of `main` waits for every blocking task (`spawn_blocking`, and look-ups of names by tokio)
/// and for every task that blocks its thread, without a limit. Here `stop_timeout` bounds them too: the rest of it is for
/// those that no request waits for. Then the process ends, and the number of threads that are still blocked is logged. What
/// these threads do ends in the middle, as in a crash.
///
/// | exit code | |
/// |---|---|
/// | 0 | the service was shut down, also before it was ready |
/// | 1 | it did not start, or lost a listener; the reason is logged, or written to stderr if no subscriber is installed |
/// | 3 | work was cut, and [`exit_nonzero_when_cut`](Server::exit_nonzero_when_cut) is set |
/// | 4 | the shutdown did not end, since all threads of the runtime are blocked |
/// | 101 | the future that makes the server has panicked |
#[derive(Clone, Debug)]
#[must_use = "does nothing until `run`"]
pub struct ServerRuntime {
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    CurrentThread,
    /// With so many workers, or tokio's default.
    MultiThread(Option<usize>),
}

/// Counts the threads of a runtime.
#[derive(Debug, Default)]
struct ThreadCount(AtomicUsize);

/// How a server ended.
enum End {
    /// A signal arrived before there was a server.
    NotStarted,
    Stopped(Report, LifecycleHandle),
}

impl ServerRuntime {
    /// Creates a runtime with tokio's default number of worker threads: `TOKIO_WORKER_THREADS`, or one for each core.
    pub const fn new() -> Self {
        Self {
            kind: Kind::MultiThread(None),
        }
    }

    /// Creates a runtime that runs all tasks on the thread that calls [`run`](Self::run).
    pub const fn current_thread() -> Self {
        Self {
            kind: Kind::CurrentThread,
        }
    }

    /// Sets the number of worker threads. Zero is an error at [`run`](Self::run).
    pub const fn with_worker_threads(mut self, threads: usize) -> Self {
        self.kind = Kind::MultiThread(Some(threads));
        self
    }

    /// Runs a server until its shutdown is complete, and ends the runtime. See [`run`](Self::run).
    pub fn serve<S, B>(self, server: Server<S>) -> ExitCode
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.run(async { Ok::<_, Infallible>(server) })
    }

    /// Makes a server, runs it until its shutdown is complete, and ends the runtime.
    ///
    /// TERM, INT and USR2 are handled from the beginning: while the future `make` is pending, they drop it, and the exit
    /// code is 0; if it blocks for 10 more seconds, the exit code is 4. An error that it returns is an exit code of 1.
    ///
    /// # Panics
    ///
    /// If `make` panics, or if it is called in a runtime.
    pub fn run<S, B, E>(self, make: impl Future<Output = Result<Server<S>, E>>) -> ExitCode
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
        E: Into<BoxError>,
    {
        let threads = Arc::new(ThreadCount::default());
        let runtime = match self.build(&threads) {
            Ok(runtime) => runtime,
            Err(error) => return failed(&error),
        };
        // Unwind safe: nothing that a panic may have broken is used afterwards.
        let end = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(make))));
        let left = match &end {
            Ok(Ok(End::Stopped(report, handle))) if !report.was_cut() => handle.stop_deadline(),
            _ => None,
        };
        // Dropped, it would wait for blocking tasks without a limit.
        runtime
            .shutdown_timeout(left.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now())));
        finish(end, threads.0.load(Ordering::Acquire))
    }

    fn build(self, threads: &Arc<ThreadCount>) -> Result<Runtime, ServeError> {
        let mut builder = match self.kind {
            Kind::CurrentThread => Builder::new_current_thread(),
            Kind::MultiThread(None) => Builder::new_multi_thread(),
            Kind::MultiThread(Some(0)) => return Err(ServeErrorKind::Zero("worker_threads").into()),
            Kind::MultiThread(Some(workers)) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        let (started, stopped) = (Arc::clone(threads), Arc::clone(threads));
        builder
            .enable_all()
            .on_thread_start(move || {
                started.0.fetch_add(1, Ordering::AcqRel);
            })
            .on_thread_stop(move || {
                stopped.0.fetch_sub(1, Ordering::AcqRel);
            });
        builder
            .build()
            .map_err(|error| ServeErrorKind::Runtime(error).into())
    }
}

impl Default for ServerRuntime {
    fn default() -> Self {
        Self::new()
    }
}

async fn run<S: Serve, E: Into<BoxError>>(
    make: impl Future<Output = Result<Server<S>, E>>,
) -> Result<End, BoxError> {
    // For the signals until the server has its own.
    let mut early = Lifecycle::new(ShutdownConfig::new().with_drain_time(Duration::ZERO))?;
    early.install_signals()?;
    let early_handle = early.handle();
    let server = tokio::select! {
        server = make => server.map_err(Into::into)?,
        () = early_handle.draining() => {
            tracing::info!("received a shutdown signal before the server was made");
            return Ok(End::NotStarted);
        }
    };
    let bound = server.try_bind()?;
    let handle = bound.handle();
    if early_handle.is_draining() {
        handle.drain();
    }
    drop(early);
    Ok(End::Stopped(bound.run().await, handle))
}

/// Returns the exit code; `blocked` threads of the runtime still run.
fn finish(end: Result<Result<End, BoxError>, Box<dyn Any + Send>>, blocked: usize) -> ExitCode {
    if blocked > 0 {
        tracing::warn!(
            threads = blocked,
            "ending the process while threads of the runtime are blocked, by blocking tasks or handlers"
        );
    }
    match end {
        Ok(Ok(End::Stopped(report, _))) => {
            let report = match blocked {
                0 => report,
                _ => report.with_cut("blocking tasks"),
            };
            report.exit_code()
        }
        Ok(Ok(End::NotStarted)) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&*error),
        Err(panic) => resume_unwind(panic),
    }
}

/// Reports why the service did not start, where it can be seen.
fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    if tracing::dispatcher::has_been_set() {
        tracing::error!(error, "cannot start the service");
    } else {
        // Fails if it is closed.
        let _ = writeln!(io::stderr(), "cannot start the service: {}", chain(error));
    }
    ExitCode::FAILURE
}
