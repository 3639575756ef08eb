//! A recorder that is installed late. One test in a process of its own, since the global recorder is set once.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod support;

use campanile_listen::Connections;

const OPEN: &str = "http_server_open_connections{listener=here}";
const DONE: &str = "http_server_connections_total{close=done,listener=here}";
const LIMIT: &str = "http_server_connection_limit{listener=here}";
const UPGRADED: &str = "http_server_upgraded_connections";

#[test]
fn recorder_installed_late_is_found_and_never_goes_below_zero() {
    let connections = Connections::new("here").with_limit(9);
    let early = connections.wrap(());
    early.control().upgraded();
    drop(connections.wrap(()));
    connections.accept_failed(&std::io::Error::other("nobody counts"));

    let seen = support::recorder();
    assert!(metrics::set_global_recorder(seen).is_ok());

    let late = connections.wrap(());
    assert_eq!(seen.value(OPEN), Some(1.0), "only what came after the recorder");
    assert_eq!(seen.value(LIMIT), Some(9.0));
    assert_eq!(connections.open(), 2, "the own count knows both");
    drop(early);
    assert_eq!(seen.value(OPEN), Some(1.0), "its +1 was not recorded");
    assert_eq!(seen.value(DONE), Some(1.0), "it ended all the same");
    drop(late);
    assert_eq!(seen.value(OPEN), Some(0.0));
    assert_eq!(seen.value(DONE), Some(2.0));
    assert_eq!(
        (seen.lowest(OPEN), seen.lowest(UPGRADED), seen.highest(UPGRADED)),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(
        seen.described().len(),
        5,
        "described once: {:?}",
        seen.described()
    );
}
