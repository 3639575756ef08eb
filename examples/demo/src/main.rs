//! Three services that call each other over real sockets, traffic that drives them, and what campanile saw of it.
//!
//! ```text
//! cargo run --release -p campanile-demo
//! ```
//!
//! `edge` calls `catalog` calls `stock`. The traffic counts for itself what it was answered; at the end that stands
//! beside what the services' metrics say, and the two have to be the same. It ends with a stop of the edge under full
//! traffic, which loses nobody.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what this program says is what it is for"
)]

mod prometheus;
mod recorder;
mod screen;
mod services;
mod settle;
mod tally;
mod traffic;

use std::{error::Error, future::pending, io, net::SocketAddr, pin::pin, process::ExitCode, time::Duration};

use campanile::recorder::{CellRecorder, Format};
use clap::Parser;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time,
};

use self::{screen::Screen, traffic::Traffic};

/// Three services that call each other, traffic that drives them, and what campanile saw of it.
///
/// Without any argument it runs for ten seconds.
#[derive(Parser)]
struct Args {
    /// The address of the first service; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The address of the admin port, and of its page.
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// Ends by itself after so many seconds; else Ctrl-C does.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Sends nothing, so that you can.
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

/// Runs the demo, and tells whether the two counts agree.
async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    let metrics = CellRecorder::new().install()?;
    let mut asked = Signals::new()?;
    let mut services = services::start(args.listen, args.admin, &metrics)?;
    println!("listening on {}", services.address);
    println!("admin on {}", services.admin);

    let mut screen = Screen::new();
    screen.introduce(&services.address, &services.admin, args.seconds);
    let traffic = (!args.no_traffic).then(|| Traffic::start(&services.address));
    watch(&metrics, &mut screen, args.seconds, &mut asked).await;
    // The traffic goes on: what it loses by the stop is what this is about.
    screen.say_that_it_drains();
    let report = tokio::select! {
        report = services.stop_edge() => report?,
        () = asked.any() => return Err("asked twice".into()),
    };
    let (counted, sample) = match traffic {
        Some(traffic) => traffic.stop().await,
        None => Default::default(),
    };

    let end = settle::settle(&metrics, counted, &services.visitors).await;
    services.stop_others().await?;
    screen.show_table(&end);
    screen.show_ids(sample.as_ref());
    screen.show_drain(&report, &end);
    Ok(end.agree() && !report.was_cut())
}

/// Shows the rates of each second, until the time is over or Ctrl-C is pressed.
async fn watch(metrics: &CellRecorder, screen: &mut Screen, seconds: Option<u64>, asked: &mut Signals) {
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
            () = asked.any() => return,
            _ = ticks.tick() => screen.show_rates(&metrics.render(Format::Prometheus)),
            () = &mut end => return,
        }
    }
}

/// Ctrl-C, and what a supervisor sends.
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

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
