//! The server of [`Admin::run_blocking`](crate::Admin::run_blocking).
//!
//! It must respond when the service does not. Its runtime is its own, callbacks run on blocking threads, and no number of idle or
//! slow clients can keep out others.

mod connections;
mod reserved_io;
mod write_timeout;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use campanile_listen::DescriptorReserve;
use tokio::runtime::{Builder, Handle};

use self::connections::ConnectionSet;
use crate::AdminListener;
use crate::config::AdminConfig;
use crate::live::Sampler;
use crate::service::AdminService;

/// More threads than callbacks can occupy by hanging: nine of this crate, and sixteen readiness checks of campanile-lifecycle.
const BLOCKING_THREADS: usize = 64;

/// Descriptors for connections of the port, for when the service has used up all others.
const RESERVED_DESCRIPTORS: usize = 8;

/// How long responses in flight may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) fn run_blocking<U>(config: AdminConfig, listener: AdminListener, until: U) -> io::Result<()>
where
    U: Future<Output = ()>,
{
    if Handle::try_current().is_ok() {
        return Err(io::Error::other(
            "the admin port cannot run on a thread of a tokio runtime",
        ));
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("admin-blocking")
        .build()?;
    let result = runtime.block_on(serve(config.clone(), listener, until));
    // Does not wait for callbacks that hang.
    runtime.shutdown_background();
    // What the callbacks have captured is dropped here, and its destructors may panic.
    let thread = config.threads.config.clone();
    let _ = thread.catch(|| drop(config));
    result
}

async fn serve<U>(config: AdminConfig, listener: AdminListener, until: U) -> io::Result<()>
where
    U: Future<Output = ()>,
{
    let reserve = DescriptorReserve::new(RESERVED_DESCRIPTORS);
    let mut listener = listener.into_listener()?.with_descriptor_reserve(reserve.clone());
    let mut connections = ConnectionSet::new(AdminService::new(config.clone()), reserve);
    let mut until = pin!(until);
    {
        // Dropped at the end of this block, which ends the event streams of open pages.
        let mut sampling = pin!(Sampler::new(config).run());
        loop {
            let mut accept = pin!(listener.accept());
            let accepted = poll_fn(|cx| {
                if until.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                let _ = sampling.as_mut().poll(cx);
                connections.poll_reap(cx);
                accept.as_mut().poll(cx).map(Some)
            });
            match accepted.await {
                Some(accepted) => connections.spawn(accepted),
                None => break,
            }
        }
    }
    drop(listener);
    connections.close(CLOSE_TIMEOUT).await;
    Ok(())
}
