//! Shared listeners and namespace counters are recorded by one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use campanile_backlog::{BacklogMonitor, WatchOptions};

use crate::support::namespace::in_namespace;
use crate::support::queue::{connect_some, listen};
use crate::support::recorder::recorder;

#[test]
fn only_the_writer_records_a_shared_listener_and_the_namespace() {
    in_namespace(|| {
        let metrics = recorder();
        let is_writer = Arc::new(AtomicBool::new(false));
        let current = Arc::clone(&is_writer);
        let mut monitor = BacklogMonitor::new()
            .with_recorder(metrics)
            .with_writer(move || current.load(Ordering::Relaxed));
        let (shared, own) = (listen("127.0.0.1:1", 1), listen("127.0.0.1:2", 1));
        let backlog = monitor
            .watch_with(&shared, &WatchOptions::new().with_sharing(true))
            .unwrap();
        monitor.watch(&own).unwrap();
        let _clients = (connect_some(&shared, 5), connect_some(&own, 2));
        monitor.sample();
        assert_eq!(
            metrics.value("listener_backlog_pending{listener=127.0.0.1:1}"),
            None
        );
        assert_eq!(metrics.value("listener_backlog_namespace_overflows_total"), None);
        assert_eq!(
            metrics.value("listener_backlog_pending{listener=127.0.0.1:2}"),
            Some(2.0)
        );
        assert_eq!(
            (backlog.pending(), backlog.overflows()),
            (2, 3),
            "the handle has them regardless"
        );

        is_writer.store(true, Ordering::Relaxed);
        monitor.sample();
        assert_eq!(
            metrics.value("listener_backlog_pending{listener=127.0.0.1:1}"),
            Some(2.0)
        );
        let counted = metrics
            .value("listener_backlog_overflows_total{listener=127.0.0.1:1}")
            .unwrap();
        assert!(counted < 3.0, "the previous writer counted those: {counted}");

        is_writer.store(false, Ordering::Relaxed);
        monitor.sample();
        assert_eq!(
            metrics.value("listener_backlog_pending{listener=127.0.0.1:1}"),
            Some(0.0)
        );
    });
}
