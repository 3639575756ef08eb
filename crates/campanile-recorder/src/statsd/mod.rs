//! Metrics to a statsd daemon: each event, or what changed in a period.
//!
//! ```
//! use std::{net::UdpSocket, thread};
//!
//! use campanile_recorder::statsd::{Dsn, Statsd, Stop};
//!
//! let daemon = UdpSocket::bind("127.0.0.1:0")?;
//! let dsn: Dsn = format!("udp://{}/shop/web", daemon.local_addr()?).parse()?;
//!
//! let (recorder, drainer) = Statsd::new(dsn).recorder()?;
//! let stop = Stop::new();
//! let sending = thread::spawn({
//!     let stop = stop.clone();
//!     move || drainer.run_blocking(&stop)
//! });
//! metrics::set_global_recorder(recorder.clone())?;
//!
//! metrics::counter!("requests_count_total", "host" => "stock", "view" => "items.get").increment(1);
//! metrics::histogram!("requests_latency_seconds").record(0.0123);
//!
//! stop.stop(); // at the end of the program: sends what is left
//! sending.join().expect("the drainer does not panic");
//! let mut datagram = [0; 1500];
//! let length = daemon.recv(&mut datagram)?;
//! assert_eq!(
//!     std::str::from_utf8(&datagram[..length])?,
//!     "shop.web.requests.count.stock.items.get:1|c\nshop.web.requests.latency.seconds:12.300000|ms",
//! );
//! assert_eq!(recorder.counts().lines_sent, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is sent
//!
//! | metric | line | of each event ([`Statsd::recorder`]) | of each period ([`Statsd::flusher`]) |
//! |---|---|---|---|
//! | counter | `:1\|c` | the increment; of an absolute value the difference | the difference |
//! | gauge | `:5\|g` | the new value, and each period again | the value |
//! | durations | `:12.3\|ms` | the observation in milliseconds | count and sum |
//! | other histograms | `:512\|h` | the observation | count and sum |
//!
//! Durations are histograms whose unit is of time, or without one whose name ends in `_seconds` or `_milliseconds`. Not
//! every daemon knows `|h`, which Datadog's and Telegraf do; etsy's takes `|ms` alone. A negative gauge is sent as `0`
//! and then its value, in one datagram, since a daemon takes `-5|g` for a decrement; Datadog's does not, and is
//! sent the value alone. [`Format`] has the three forms of names and labels.
//!
//! # What it does not do
//!
//! It never blocks and never fails who records: an event writes its line into a queue with a limit in bytes, without
//! allocating. What does not fit is dropped and counted, as is what is longer than a datagram; lines are never cut. A
//! receiver that is slow is given 100 ms for a datagram. [`Counts`] tells what became of the lines. Order is kept; events are
//! neither sampled nor added up: a busy service sends fewer datagrams by the flusher.
//!
//! Nothing here starts a thread: [`Drainer::run_blocking`] and [`Flusher::run_blocking`] run on one of the caller's until its
//! [`Stop`] stops them, and send what is left. A host's name is resolved once.
//!
//! Each process sends what it has counted itself: a [`Flusher`] over a directory of many processes wants
//! [`own_snapshot`](crate::CellRecorder::own_snapshot), or the daemon gets everything as often as there are processes.
//!
//! For metrics-exporter-statsd, which forgets every value at once, there is [`StatefulRecorder`].

mod config;
mod counts;
mod datagrams;
mod drainer;
mod dsn;
mod error;
pub(crate) mod escape;
mod flusher;
mod line;
mod lines;
mod names;
mod number;
mod queue;
mod recorder;
#[cfg(any(test, fuzzing))]
mod replay;
mod scale;
mod schedule;
mod socket;
mod stateful;
mod stop;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::replay::replay;
pub use self::{
    config::Statsd,
    counts::Counts,
    drainer::Drainer,
    dsn::Dsn,
    error::{DsnError, OpenError},
    flusher::Flusher,
    line::Format,
    recorder::StatsdRecorder,
    stateful::StatefulRecorder,
    stop::Stop,
};
