//! Sampling, and measuring a connection's waiting time, do not allocate.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod support;

use campanile_backlog::{BacklogMonitor, Saturation, WaitRecorder};
use support::namespace::in_namespace;
use support::queue::{connect_some, listen, listen_unix};
use support::recorder::recorder;

#[test]
fn samples_and_waiting_times_do_not_allocate_once_registered() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let path = std::env::temp_dir().join(format!("campanile-allocations-{}.sock", std::process::id()));
        let (tcp, unix) = (listen("127.0.0.1:8080", 2), listen_unix(&path, 2));
        let backlogs = [monitor.watch(&tcp).unwrap(), monitor.watch(&unix).unwrap()];
        let mut monitor = monitor.with_saturation(Saturation::new().with_backlogs(backlogs));
        let _clients = (connect_some(&tcp, 1), connect_some(&unix, 1));
        monitor.sample();
        let counted = allocation_counter::measure(|| monitor.sample());
        assert_eq!(counted.count_total, 0, "{counted:?}");

        let waits = WaitRecorder::new("here").with_measuring(true);
        let accepted = tcp.accept().unwrap().0;
        waits.record(&accepted);
        let counted = allocation_counter::measure(|| {
            waits.record(&accepted);
        });
        assert_eq!(counted.count_total, 0, "{counted:?}");
        std::fs::remove_file(path).unwrap();
    });
}
