//! Sends metrics to a statsd daemon: every event, or the changes of a period.
//!
//! ```
//! use std::{net::UdpSocket, thread};
//!
//! use campanile_recorder::statsd::{Dsn, Statsd, Stop};
//!
//! let daemon = UdpSocket::bind("127.0.0.1:0")?;
//! let dsn: Dsn = format!("udp://{}/shop/web", daemon.local_addr()?).parse()?;
//!
//! let (recorder, sender) = Statsd::new(dsn).recorder()?;
//! let stop = Stop::new();
//! let sending = thread::spawn({
//!     let stop = stop.clone();
//!     move || sender.run_blocking(&stop)
//! });
//! metrics::set_global_recorder(recorder.clone())?;
//!
//! metrics::counter!("requests_count_total", "host" => "stock", "view" => "items.get").increment(1);
//! metrics::histogram!("requests_latency_seconds").record(0.0123);
//!
//! stop.stop(); // at the end of the program: sends what is queued
//! sending.join().expect("the sender does not panic");
//! let mut datagram = [0; 1500];
//! let length = daemon.recv(&mut datagram)?;
//! assert_eq!(
//!     std::str::from_utf8(&datagram[..length])?,
//!     "shop.web.requests.count.stock.items.get:1|c\nshop.web.requests.latency.seconds:12.300000|ms",
//! );
//! assert_eq!(recorder.stats().lines_sent, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is sent
//!
//! | metric | line | per event ([`Statsd::recorder`]) | per period ([`Statsd::flusher`]) |
//! |---|---|---|---|
//! | counter | `:1\|c` | the increment; for an absolute value the difference | the difference |
//! | gauge | `:5\|g` | the new value, and again each period | the value |
//! | duration | `:12.3\|ms` | the observation in milliseconds | count and sum |
//! | other histogram | `:512\|h` | the observation | count and sum |
//!
//! Durations are histograms with a unit of time, or without a unit and with a name that ends in `_seconds` or
//! `_milliseconds`. Datadog's and Telegraf's daemons support `|h`, etsy's supports `|ms` only. A negative gauge is sent as
//! `0` followed by its value in the same datagram, since daemons take `-5|g` for a decrement; Datadog's does not, and gets
//! the value alone. [`LineFormat`] has the forms of names and labels.
//!
//! # What it does not do
//!
//! Recording never blocks and never fails: an event writes its line into a bounded queue, without allocating. Lines that
//! do not fit into the queue, or are longer than a datagram, are dropped and counted, never truncated. A slow receiver
//! delays a datagram by 100 ms at most. [`SendStats`] counts what happened to the lines. Order is preserved; events are
//! neither sampled nor aggregated: the flusher sends fewer datagrams for a busy service.
//!
//! [`LineSender::run_blocking`] and [`Flusher::run_blocking`] run on a thread of the caller until their [`Stop`] is
//! triggered, and then send what is left. They start a thread for nothing but a lookup of the host, which ends with it.
//!
//! # The host
//!
//! A host name is looked up when the sender begins to run, again each minute, and after errors of sending: a second
//! after the first, up to a minute after many. A lookup that fails or takes long delays nothing: lines are sent to the
//! address found last. Until the first one is found they wait in the queue, [`Statsd::with_queue_size`] bytes of them;
//! the changes of a [`Flusher`] add up. An address stays in use while the host has it and sending does not fail. The path
//! of a unix socket is looked up for each datagram.
//!
//! Processes that share a directory send their own counts each: a [`Flusher`] must use
//! [`own_snapshot`](crate::CellRecorder::own_snapshot), otherwise the daemon receives all counts from every process.
//!
//! [`StatefulRecorder`] wraps metrics-exporter-statsd, which keeps no values.

mod config;
mod datagrams;
mod dsn;
mod duration_scale;
mod escape;
mod flusher;
mod host_lookup;
mod line;
mod line_sender;
mod number;
mod queue;
mod recorder;
#[cfg(any(test, fuzzing))]
mod replay;
mod schedule;
mod stateful;
mod stats;
mod stop;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::replay::replay;
pub use self::{
    config::Statsd,
    datagrams::OpenError,
    dsn::{Dsn, DsnError},
    flusher::Flusher,
    line::LineFormat,
    line_sender::LineSender,
    recorder::StatsdRecorder,
    stateful::StatefulRecorder,
    stats::{METRICS, SendStats},
    stop::Stop,
};
