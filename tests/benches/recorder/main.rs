//! What the recorder costs, beside two others and a bare atomic.
//!
//! `cargo bench -p campanile-tests --bench recorder [-- FILTER]`. Three tables: processor time per count, on one thread
//! and on two that count in one series; time to render ten thousand counters and as many histograms; memory, each in a
//! process of its own.

#![allow(clippy::print_stdout, reason = "prints its figures")]
#![allow(clippy::unwrap_used, reason = "a bench may fail wherever it likes")]

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
