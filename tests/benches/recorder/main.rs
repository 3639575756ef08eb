//! The cost of the recorder, compared with two others and a bare atomic.
//!
//! `cargo bench -p campanile-tests --bench recorder [-- FILTER]`. Three tables: processor time per recorded value, on
//! one thread and on two that share a series; time to render ten thousand counters and as many histograms; memory, measured
//! in child processes.

#![allow(clippy::print_stdout, reason = "prints its figures")]
#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

mod counts;
mod memory;
mod render;
mod stores;
mod timing;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some(memory::CHILD) {
        memory::child(&arguments.next().expect("a case")).print();
        return;
    }
    let filter = first
        .into_iter()
        .chain(arguments)
        .find(|argument| !argument.starts_with("--"))
        .unwrap_or_default();
    counts::run(&filter);
    render::run(&filter);
    memory::run(&filter);
}
