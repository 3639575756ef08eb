//! Three services that call each other over loopback, clients that send them requests, and what campanile recorded.
//!
//! ```text
//! cargo run --release -p campanile-demo
//! ```
//!
//! `edge` calls `catalog` calls `stock`. The clients count the responses they receive, and at the end the demo compares their
//! counts with the metrics of the services: they must be equal. Before that it shuts down the edge under full load, without a
//! dropped request.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "prints its results")]

mod comparison;
mod metrics_text;
mod printer;
mod service_recorder;
mod services;
mod tally;
mod traffic;

use std::{error::Error, future::pending, io, net::SocketAddr, pin::pin, process::ExitCode, time::Duration};

use campanile::recorder::{CellRecorder, Format};
use clap::Parser;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time,
};

use self::{comparison::Comparison, printer::Printer, traffic::Traffic};

/// Three services that call each other, clients that send them requests, and what campanile recorded.
///
/// Without arguments it runs for ten seconds.
#[derive(Parser)]
struct Args {
    /// Address of the edge service. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of the admin port. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// Stops after this many seconds. Without it, Ctrl-C stops the demo.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Sends no requests, so that you can send your own.
    #[arg(long)]
    no_traffic: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    if std::env::args_os().len() == 1 {
        args.seconds = Some(10);
    }
    match run(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo. Returns whether both counts are equal and no request was dropped.
async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    let metrics = CellRecorder::new().install()?;
    let mut signals = Signals::new()?;
    let mut services = services::start(args.listen, args.admin, &metrics)?;
    println!("listening on {}", services.address);
    println!("admin on {}", services.admin);

    let mut printer = Printer::new();
    printer.print_intro(&services.address, &services.admin, args.seconds);
    let traffic = (!args.no_traffic).then(|| Traffic::start(&services.address));
    watch(&metrics, &mut printer, args.seconds, &mut signals).await;
    // The clients keep sending: the shutdown must not drop their requests.
    printer.print_drain_start();
    let report = tokio::select! {
        report = services.stop_edge() => report?,
        () = signals.recv() => return Err("interrupted by a second signal".into()),
    };
    let (counts, sample_ids) = match traffic {
        Some(traffic) => traffic.stop().await,
        None => Default::default(),
    };

    let comparison = Comparison::wait_for_end(&metrics, counts, &services.visitors).await;
    services.stop_inner().await?;
    printer.print_table(&comparison);
    printer.print_ids(sample_ids.as_ref());
    printer.print_drain(&report, &comparison);
    Ok(comparison.is_equal() && !report.was_cut())
}

/// Prints the rates of each second, until the time is up or a signal arrives.
async fn watch(metrics: &CellRecorder, printer: &mut Printer, seconds: Option<u64>, signals: &mut Signals) {
    let mut end = pin!(async {
        match seconds {
            Some(seconds) => time::sleep(Duration::from_secs(seconds)).await,
            None => pending().await,
        }
    });
    let mut ticks = time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        tokio::select! {
            biased;
            () = signals.recv() => return,
            _ = ticks.tick() => printer.print_rates(&metrics.render(Format::Prometheus)),
            () = &mut end => return,
        }
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
