//! A service that covers every feature of campanile, to be driven by external programs.
//!
//! `conformance --help` lists the flags. The service prints `listening on ADDR` and `admin on ADDR` once it is ready. Exit
//! codes: 0 after a shutdown, 1 if it cannot serve, 2 for invalid flags, before any socket is bound.

mod call;
mod flags;
mod log;
mod profile;
mod recorder;
mod routes;
mod service;

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use self::{flags::Flags, log::LogFilter, recorder::MetricsText, service::Service};

fn main() -> ExitCode {
    let flags = match Flags::from_command_line() {
        Ok(flags) => flags,
        Err(error) => {
            // There is no other place to report a closed terminal.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let log = LogFilter::init();
    match run(&flags, log) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags, log: LogFilter) -> Result<ExitCode, Box<dyn Error>> {
    let recorder = recorder::install(flags)?;
    let result = serve(flags, log, recorder.text.clone());
    recorder.finish();
    result
}

fn serve(flags: &Flags, log: LogFilter, metrics: MetricsText) -> Result<ExitCode, Box<dyn Error>> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = flags.threads {
        builder.worker_threads(threads.get());
    }
    let runtime = builder.enable_all().build()?;
    let service = {
        let _entered = runtime.enter();
        Service::bind(flags, log, metrics)?
    };
    let report = runtime.block_on(async {
        let (handle, announcement) = (service.handle(), service.announcement());
        let announced = async {
            handle.ready().await;
            let mut out = io::stdout().lock();
            out.write_all(announcement.as_bytes())?;
            out.flush()
        };
        // The service also runs with a closed stdout.
        let (report, _) = tokio::join!(service.run(), announced);
        report
    });
    // A handler that blocks its thread must not keep the process alive.
    runtime.shutdown_background();
    Ok(report.exit_code())
}

/// Displays an error and its sources in one line.
struct ErrorChain<'a>(&'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}
