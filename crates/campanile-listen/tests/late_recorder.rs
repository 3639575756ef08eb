//! A global recorder that is installed late. In its own binary, since a process has one global recorder.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod support;

use campanile_listen::Connections;

const OPEN: &str = "http_server_open_connections{listener=here}";
const DONE: &str = "http_server_connections_total{close=done,listener=here}";
const LIMIT: &str = "http_server_connection_limit{listener=here}";
const UPGRADED: &str = "http_server_upgraded_connections";

#[test]
fn gauges_stay_correct_when_the_recorder_is_installed_late() {
    let connections = Connections::new("here").with_limit(9);
    let early = connections.wrap(());
    early.control().set_upgraded();
    drop(connections.wrap(()));
    connections.accept_failed(&std::io::Error::other("not recorded"));

    let metrics = support::recorder();
    assert!(metrics::set_global_recorder(metrics).is_ok());

    let late = connections.wrap(());
    assert_eq!(
        metrics.value(OPEN),
        Some(1.0),
        "only the connection after the recorder"
    );
    assert_eq!(metrics.value(LIMIT), Some(9.0));
    assert_eq!(connections.open(), 2, "the internal count includes both");
    drop(early);
    assert_eq!(
        metrics.value(OPEN),
        Some(1.0),
        "it was not counted as open, so it is not subtracted"
    );
    assert_eq!(metrics.value(DONE), Some(1.0), "its end is counted");
    drop(late);
    assert_eq!(metrics.value(OPEN), Some(0.0));
    assert_eq!(metrics.value(DONE), Some(2.0));
    assert_eq!(
        (
            metrics.lowest(OPEN),
            metrics.lowest(UPGRADED),
            metrics.highest(UPGRADED)
        ),
        (0.0, 0.0, 0.0)
    );
    connections.accept_failed(&std::io::Error::other("recorded"));
    assert_eq!(metrics.described().len(), 5, "{:?}", metrics.described());
}
