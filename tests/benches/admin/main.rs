//! What the admin port costs: scrapes, what they do to the service beside them, and open pages.
//!
//! `cargo bench -p campanile-tests --bench admin [-- scrapes | pages]`. All clients are processes of their own.

#![allow(clippy::print_stdout, reason = "prints its figures")]
#![allow(clippy::unwrap_used, reason = "a bench may fail wherever it likes")]

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
    let wanted = |name| filter.as_deref().is_none_or(|filter| name == filter);
    if wanted("scrapes") {
        scrapes::run();
    }
    if wanted("pages") {
        pages::run();
    }
}
