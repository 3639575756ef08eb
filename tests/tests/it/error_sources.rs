//! Errors that have a source do not repeat it in their own text, since reporters print the whole chain.

use std::{error::Error, fs::File};

use axum::Router;
use campanile_backlog::BacklogMonitor;
use campanile_listen::Listener;
use campanile_recorder::{CellRecorder, statsd::Statsd};
use campanile_server::Server;

/// Checks an error and its sources, and returns how many sources there are.
fn check(error: &(dyn Error + 'static)) -> usize {
    let text = error.to_string();
    let Some(source) = error.source() else { return 0 };
    let inner = source.to_string();
    assert!(!text.contains(&inner), "{text:?} repeats its source {inner:?}");
    1 + check(source)
}

#[tokio::test]
async fn errors_do_not_repeat_their_source() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_eq!(check(&Listener::bind(address.as_str()).err().unwrap()), 1);
    assert_eq!(check(&Listener::bind("no address").err().unwrap()), 0);

    let serve = |address: &str| Server::new(Router::new()).bind(address).run();
    assert_eq!(check(&serve(&address).await.err().unwrap()), 2);
    assert_eq!(check(&serve("no address").await.err().unwrap()), 1);
    let admin = Server::new(Router::new())
        .bind("127.0.0.1:0")
        .admin(address.as_str())
        .run();
    assert!(check(&admin.await.err().unwrap()) > 0);

    let directory = CellRecorder::builder().open("/dev/null/none");
    assert_eq!(check(&directory.err().unwrap()), 1);
    let statsd = Statsd::new("udp6://127.0.0.1".parse().unwrap());
    assert_eq!(check(&statsd.recorder().err().unwrap()), 1);
    let file = File::open("/dev/null").unwrap();
    check(&BacklogMonitor::new().watch(&file).err().unwrap());
}
