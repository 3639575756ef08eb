//! Recording does not allocate.

use super::support::{Daemon, counter, gauge, histogram};

#[test]
fn recording_and_repeated_registration_do_not_allocate() {
    let daemon = Daemon::new();
    let (recorder, _sender) = daemon.statsd().recorder().unwrap();
    let labels = [("view", "a")];
    let requests = counter(&recorder, "requests_total", &labels);
    let latency = histogram(&recorder, "latency_seconds", &labels);
    let active = gauge(&recorder, "active", &labels);
    let allocated = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            requests.increment(1);
            latency.record(0.012_345);
            active.increment(1);
            active.set(-0.1);
        }
    });
    assert_eq!(allocated.count_total, 0);
    assert_eq!(recorder.stats().lines_queue_full, 0);

    let found = allocation_counter::measure(|| {
        metrics::with_local_recorder(&recorder, || metrics::counter!("static_total").increment(1));
    });
    let again = allocation_counter::measure(|| {
        metrics::with_local_recorder(&recorder, || metrics::counter!("static_total").increment(1));
    });
    assert!(found.count_total > 0);
    assert_eq!(again.count_total, 0);
}
