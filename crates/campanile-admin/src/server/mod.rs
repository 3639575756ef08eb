//! The admin port on a thread of its own.
//!
//! It answers when the service does not, so nothing here waits for the service: its runtime is its own, what renders and
//! reads tables goes to threads that may block, and no client can keep others out, however idle, slow or many it is.

mod activity;
mod connection;
mod listen;
mod open;
mod patience;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use campanile_listen::Accepted;

use self::open::Open;
use crate::live::Sampler;
use crate::service::AdminService;
use crate::settings::Settings;

pub use self::listen::Listen;

/// Threads that render, read tables, compress, and look at the metrics for the page: more than can hang in what the caller gave.
const BLOCKING_THREADS: usize = 12;
/// Answers that are being sent when the end comes have as long.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What happens next.
enum Event {
    Accepted(Accepted),
    Over,
}

pub(crate) fn run_blocking<U>(settings: Settings, listen: Listen, until: U) -> io::Result<()>
where
    U: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("admin-blocking")
        .build()?;
    let result = runtime.block_on(serve(settings, listen, until));
    // A closure of the caller's that hangs is left to itself.
    runtime.shutdown_background();
    result
}

async fn serve<U>(settings: Settings, listen: Listen, until: U) -> io::Result<()>
where
    U: Future<Output = ()>,
{
    let mut listener = listen.listen()?;
    let service = AdminService::new(settings.clone());
    let mut open = Open::new(service);
    let mut until = pin!(until);
    {
        let mut sampling = pin!(Sampler::new(settings).run());
        loop {
            let mut accept = pin!(listener.accept());
            let event = poll_fn(|cx| {
                if until.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Over);
                }
                let _ = sampling.as_mut().poll(cx);
                open.poll_ended(cx);
                accept.as_mut().poll(cx).map(Event::Accepted)
            });
            match event.await {
                Event::Accepted(accepted) => open.add(accepted),
                Event::Over => break,
            }
        }
        // With the sampler end the streams of the pages.
    }
    drop(listener);
    open.close(LAST_ANSWERS).await;
    Ok(())
}
