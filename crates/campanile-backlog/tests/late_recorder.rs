//! A global recorder that is installed late. In its own binary, since a process has one global recorder.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod support;

use campanile_backlog::{BacklogMonitor, Saturation, WaitRecorder};
use support::namespace::{in_namespace, kernel_count};
use support::queue::{connect_some, listen};
use support::recorder::recorder;

#[test]
fn recorder_installed_late_receives_earlier_overflows() {
    in_namespace(|| {
        let mut monitor = BacklogMonitor::new().with_saturation(Saturation::new().with_workers(|| 1, || 4));
        let waits = WaitRecorder::new("127.0.0.1:8080");
        let listener = listen("127.0.0.1:8080", 2);
        monitor.watch(&listener).unwrap();
        let _clients = connect_some(&listener, 7);
        monitor.sample();
        let accepted = listener.accept().unwrap().0;
        waits.record(&accepted);

        let metrics = recorder();
        assert!(metrics::set_global_recorder(metrics).is_ok());
        let (kernel, ..) = (kernel_count("ListenOverflows"), monitor.sample());
        let value = |name: &str| metrics.value(&format!("{name}{{listener=127.0.0.1:8080}}"));
        assert_eq!(value("listener_backlog_pending"), Some(2.0));
        assert_eq!(value("listener_backlog_limit"), Some(2.0));
        assert!(kernel >= 4, "the kernel dropped {kernel}");
        let counted = value("listener_backlog_overflows_total").unwrap() as u64;
        assert!(
            counted >= kernel,
            "{counted} of {kernel}: the earlier ones are missing"
        );
        assert_eq!(value("listener_backlog_samples_total"), Some(1.0));
        assert_eq!(metrics.value("saturation_ratio"), Some(0.25));
        waits.record(&accepted);
        let waits = metrics.recorded("listener_backlog_wait_seconds{listener=127.0.0.1:8080}");
        assert_eq!(
            waits.map(|waits| waits.len()),
            Some(1),
            "only the one after the recorder"
        );
        let names: Vec<_> = metrics.described().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "listener_backlog_errors_total",
                "listener_backlog_limit",
                "listener_backlog_namespace_drops_total",
                "listener_backlog_namespace_overflows_total",
                "listener_backlog_overflows_total",
                "listener_backlog_pending",
                "listener_backlog_samples_total",
                "listener_backlog_wait_seconds",
                "saturation_ratio",
                "saturation_signal_ratio",
            ]
        );
    });
}
