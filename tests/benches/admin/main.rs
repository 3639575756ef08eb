//! The cost of the admin port: scrapes, their effect on the latency of the service, and open pages.
//!
//! `cargo bench -p campanile-tests --bench admin [-- scrapes | pages]`. The clients run in processes of their own.

#![allow(clippy::print_stdout, reason = "prints its figures")]
#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

mod clients;
mod pages;
mod port;
mod scrapes;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == clients::CHILD) {
        clients::child(&arguments.split_off(1));
        return;
    }
    let filter = arguments.into_iter().find(|argument| !argument.starts_with("--"));
    let selected = |name| filter.as_deref().is_none_or(|filter| name == filter);
    if selected("scrapes") {
        scrapes::run();
    }
    if selected("pages") {
        pages::run();
    }
}
