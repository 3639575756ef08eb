//! One service that stands in for each ancestor's, for whoever wants to drive campanile from outside.
//!
//! `conformance --help` lists the flags. Once ready it prints `listening on ADDR` and `admin on ADDR`. Exit codes: 0
//! after a stop, 1 if it cannot serve, 2 for flags that it cannot honour, before any socket is bound.

mod call;
mod flags;
mod log;
mod profile;
mod recorder;
mod routes;
mod serve;

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use self::{flags::Flags, log::Log, recorder::Text, serve::Service};

fn main() -> ExitCode {
    let flags = match Flags::from_command_line() {
        Ok(flags) => flags,
        Err(error) => {
            // Nobody is left to tell if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let log = Log::init();
    match run(&flags, log) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", Chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags, log: Log) -> Result<ExitCode, Box<dyn Error>> {
    let recorder = recorder::install(flags)?;
    let result = serve(flags, log, recorder.text.clone());
    recorder.finish();
    result
}

fn serve(flags: &Flags, log: Log, metrics: Text) -> Result<ExitCode, Box<dyn Error>> {
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
        // Nobody to tell is no reason not to serve.
        let (report, _) = tokio::join!(service.run(), announced);
        report
    });
    // A handler that blocks its thread must not keep the process.
    runtime.shutdown_background();
    Ok(report.exit_code())
}

/// An error and what it comes from, in a line.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
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
