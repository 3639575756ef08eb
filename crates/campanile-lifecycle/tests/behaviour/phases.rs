//! The order and duration of phases.

use std::time::Duration;

use campanile_lifecycle::{Lifecycle, Phase, ShutdownConfig, StopReason};
use tokio::time::Instant;

use crate::support::{DRAIN_TIME, STOP_TIMEOUT, config, lifecycle, ready, within};

#[tokio::test(start_paused = true)]
async fn idle_service_stops_after_its_drain_time() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    assert_eq!(handle.phase(), Phase::Starting);
    let running = tokio::spawn(lifecycle.run());
    within("readiness", handle.ready()).await;
    assert_eq!(handle.phase(), Phase::Ready);

    let began = Instant::now();
    assert!(handle.drain());
    within("drain", handle.draining()).await;
    assert_eq!(handle.phase(), Phase::Draining);
    within("stop", handle.drain_elapsed()).await;
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs());
    let report = within("end", running).await.unwrap();
    assert_eq!(handle.phase(), Phase::Stopped);
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs());
    assert_eq!(report.took().as_secs(), DRAIN_TIME.as_secs());
    assert_eq!(report.reason(), StopReason::Requested);
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn drain_is_visible_at_once_and_a_second_drain_does_nothing() {
    let (handle, running) = ready().await;
    assert!(handle.drain());
    // No await in between: the lifecycle was not polled.
    assert_eq!(handle.phase(), Phase::Draining);
    assert!(!handle.is_ready() && handle.is_draining());
    let deadline = handle.drain_deadline();
    assert!(!handle.drain());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!handle.drain());
    assert_eq!(handle.phase(), Phase::Draining);
    assert_eq!(handle.drain_deadline(), deadline);
    let report = within("end", running).await.unwrap();
    assert_eq!(report.took().as_secs(), DRAIN_TIME.as_secs());
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_with_the_last_guard() {
    let (handle, running) = ready().await;
    let (first, last) = (handle.guard(), handle.named_guard("socket"));
    let began = Instant::now();
    handle.drain();
    handle.drain_elapsed().await;
    assert_eq!(handle.stop_deadline(), Some(Instant::now() + STOP_TIMEOUT));
    drop(first);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((handle.phase(), handle.in_flight()), (Phase::Stopping, 1));
    drop(last);
    let report = within("end", running).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs() + 2);
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn guards_held_too_long_are_cut_and_counted() {
    let (handle, running) = ready().await;
    let guards = [handle.guard(), handle.guard()];
    let began = Instant::now();
    handle.drain();
    within("cut", handle.cutting()).await;
    assert_eq!(began.elapsed().as_secs(), (DRAIN_TIME + STOP_TIMEOUT).as_secs());
    // Still `stopping`: holders of guards have a moment to drop them.
    assert_eq!(handle.phase(), Phase::Stopping);
    drop(guards);
    let at_once = Instant::now();
    let report = within("end", running).await.unwrap();
    assert!(
        at_once.elapsed() < Duration::from_millis(50),
        "{:?}",
        at_once.elapsed()
    );
    assert!(report.was_cut());
    assert_eq!(report.in_flight_when_cut(), 2);
}

#[tokio::test(start_paused = true)]
async fn guard_that_is_never_dropped_does_not_block_the_shutdown() {
    let (handle, running) = ready().await;
    let _guard = handle.guard();
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    let bound = DRAIN_TIME + STOP_TIMEOUT + Duration::from_secs(1);
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    assert_eq!((report.was_cut(), report.in_flight_when_cut()), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn handle_can_end_the_drain_time_and_cut() {
    let (handle, running) = ready().await;
    let _guard = handle.guard();
    let began = Instant::now();
    handle.drain();
    assert!(handle.end_drain_time());
    assert!(!handle.end_drain_time());
    within("stop", handle.drain_elapsed()).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(handle.cut());
    within("end", running).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!handle.drain() && !handle.end_drain_time() && !handle.cut());
}

#[tokio::test(start_paused = true)]
async fn without_drain_time_and_stop_timeout_the_service_stops_at_once() {
    let config = ShutdownConfig::new()
        .with_drain_time(Duration::ZERO)
        .with_stop_timeout(Duration::ZERO);
    let lifecycle = Lifecycle::new(config).unwrap();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    let _guard = handle.guard();
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(report.was_cut());
}

#[tokio::test(start_paused = true)]
async fn service_that_was_never_ready_has_no_drain_time() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let _latch = lifecycle.latch("database");
    let began = Instant::now();
    handle.drain();
    let report = within("end", lifecycle.run()).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn serve_future_is_polled_and_its_output_returned() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let serve = {
        let handle = handle.clone();
        async move {
            handle.drain_elapsed().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            "served"
        }
    };
    let running = tokio::spawn(lifecycle.run_with(serve));
    handle.ready().await;
    let began = Instant::now();
    handle.drain();
    let (report, output) = within("end", running).await.unwrap();
    assert_eq!(output, Some("served"));
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs() + 3);
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn failed_serve_future_stops_the_service_without_a_drain_time() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let guard = handle.guard();
    let running = tokio::spawn(lifecycle.run_with(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err::<(), _>("address in use")
    }));
    let began = Instant::now();
    within("stop", handle.drain_elapsed()).await;
    assert_eq!(began.elapsed().as_secs(), 1);
    drop(guard);
    let (report, output) = within("end", running).await.unwrap();
    assert_eq!(
        (report.reason(), output),
        (StopReason::ServeEnded, Some(Err("address in use")))
    );
}

#[tokio::test(start_paused = true)]
async fn endless_serve_future_is_dropped() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run_with(std::future::pending::<()>()));
    handle.ready().await;
    handle.drain();
    let (report, output) = within("end", running).await.unwrap();
    assert!(report.was_cut() && output.is_none(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn panic_of_the_serve_future_propagates_and_leaves_the_service_stopped() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run_with(async { panic!("on purpose") }));
    within("stop", handle.stopped()).await;
    assert!(running.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn dropped_lifecycle_leaves_no_waiter_pending() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move {
            handle.draining().await;
            handle.cutting().await;
            handle.stopped().await;
        }
    });
    tokio::task::yield_now().await;
    drop(lifecycle);
    within("end of the waiting", waiting).await.unwrap();
    assert_eq!(handle.phase(), Phase::Stopped);
    assert!(!handle.drain());

    let lifecycle = Lifecycle::new(config()).unwrap();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    running.abort();
    within("end of an aborted run", handle.stopped()).await;
}
