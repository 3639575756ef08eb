//! One service that stands in for each ancestor's, for whoever wants to drive campanile from outside.
//!
//! `conformance --help` lists the flags. Once ready it prints `listening on ADDR` and `admin on ADDR`. Exit codes: 0
//! after a stop, 1 if it cannot serve, 2 for flags that it cannot honour, before any socket is bound.

mod admin;
mod call;
mod flags;
mod health;
mod listen;
mod profile;
mod recorder;
mod routes;
mod serve;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use tracing_subscriber::EnvFilter;

use self::{flags::Flags, health::Phase, recorder::Text};

fn main() -> ExitCode {
    let flags = match Flags::from_command_line() {
        Ok(flags) => flags,
        Err(error) => {
            // Nobody is left to tell if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    match run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let recorder = recorder::install(flags)?;
    let result = serve(flags, recorder.text.clone());
    recorder.finish();
    result
}

fn serve(flags: &Flags, metrics: Text) -> Result<(), Box<dyn Error>> {
    let phase = Phase::starting();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = flags.threads {
        builder.worker_threads(threads.get());
    }
    let runtime = builder.enable_all().build()?;
    let bound = {
        let _entered = runtime.enter();
        listen::Bound::new(&flags.listen, flags.backlog)?
    };
    let admin = admin::Admin::bind(flags.admin)?;
    let (service_name, admin_name) = (bound.label()?, admin.label()?);
    admin.start(metrics, phase.clone())?;
    let result = runtime.block_on(serve::serve(bound, flags, &phase, || {
        let mut out = io::stdout().lock();
        writeln!(out, "listening on {service_name}")?;
        writeln!(out, "admin on {admin_name}")?;
        out.flush()
    }));
    // A handler that blocks its thread must not keep the process.
    runtime.shutdown_background();
    Ok(result?)
}
