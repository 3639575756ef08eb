//! The order of phases, and how long each takes.

use std::time::Duration;

use campanile_lifecycle::{Lifecycle, Phase, Reason, Settings};
use tokio::time::Instant;

use crate::support::{DRAIN_TIME, STOP_TIMEOUT, lifecycle, ready, settings, within};

#[tokio::test(start_paused = true)]
async fn an_idle_service_serves_through_its_drain_time_and_then_has_stopped() {
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
    within("stop", handle.draining_over()).await;
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs());
    let report = within("end", running).await.unwrap();
    assert_eq!(handle.phase(), Phase::Stopped);
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs());
    assert_eq!(report.took().as_secs(), DRAIN_TIME.as_secs());
    assert_eq!(report.reason(), Reason::Asked);
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_asked_for_is_seen_at_once_and_asked_for_again_does_nothing() {
    let (handle, running) = ready().await;
    assert!(handle.drain());
    // No await in between: the owner was not polled.
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
async fn the_stop_ends_with_the_last_hold() {
    let (handle, running) = ready().await;
    let (first, last) = (handle.hold(), handle.hold_named("socket"));
    let began = Instant::now();
    handle.drain();
    handle.draining_over().await;
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
async fn what_is_held_too_long_is_cut_and_counted() {
    let (handle, running) = ready().await;
    let holds = [handle.hold(), handle.hold()];
    let began = Instant::now();
    handle.drain();
    within("cut", handle.cutting()).await;
    assert_eq!(began.elapsed().as_secs(), (DRAIN_TIME + STOP_TIMEOUT).as_secs());
    // Still the last phase that has a name; whoever cuts has a moment for it.
    assert_eq!(handle.phase(), Phase::Stopping);
    drop(holds);
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
async fn what_is_held_for_ever_holds_nobody() {
    let (handle, running) = ready().await;
    let _hold = handle.hold();
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    let bound = DRAIN_TIME + STOP_TIMEOUT + Duration::from_secs(1);
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    assert_eq!((report.was_cut(), report.in_flight_when_cut()), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn code_can_hurry_as_signals_do() {
    let (handle, running) = ready().await;
    let _hold = handle.hold();
    let began = Instant::now();
    handle.drain();
    assert!(handle.end_drain_time());
    assert!(!handle.end_drain_time());
    within("stop", handle.draining_over()).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(handle.cut());
    within("end", running).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!handle.drain() && !handle.end_drain_time() && !handle.cut());
}

#[tokio::test(start_paused = true)]
async fn without_drain_time_and_stop_timeout_it_is_over_at_once() {
    let settings = Settings::new()
        .with_drain_time(Duration::ZERO)
        .with_stop_timeout(Duration::ZERO);
    let lifecycle = Lifecycle::new(settings).unwrap();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    let _hold = handle.hold();
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(report.was_cut());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_never_ready_has_no_drain_time() {
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
async fn what_serves_is_polled_and_its_output_returned() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let serving = {
        let handle = handle.clone();
        async move {
            handle.draining_over().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            "served"
        }
    };
    let running = tokio::spawn(lifecycle.run_with(serving));
    handle.ready().await;
    let began = Instant::now();
    handle.drain();
    let (report, output) = within("end", running).await.unwrap();
    assert_eq!(output, Some("served"));
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs() + 3);
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_serves_and_fails_stops_the_service_without_a_drain_time() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let hold = handle.hold();
    let running = tokio::spawn(lifecycle.run_with(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err::<(), _>("address in use")
    }));
    let began = Instant::now();
    within("stop", handle.draining_over()).await;
    assert_eq!(began.elapsed().as_secs(), 1);
    drop(hold);
    let (report, output) = within("end", running).await.unwrap();
    assert_eq!(
        (report.reason(), output),
        (Reason::Ended, Some(Err("address in use")))
    );
}

#[tokio::test(start_paused = true)]
async fn what_serves_without_end_is_dropped() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run_with(std::future::pending::<()>()));
    handle.ready().await;
    handle.drain();
    let (report, output) = within("end", running).await.unwrap();
    assert!(report.was_cut() && output.is_none(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_serves_goes_on_and_leaves_the_service_stopped() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run_with(async { panic!("served badly") }));
    within("stop", handle.stopped()).await;
    assert!(running.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_dropped_lifecycle_leaves_nobody_waiting() {
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

    let lifecycle = Lifecycle::new(settings()).unwrap();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    running.abort();
    within("end of an aborted run", handle.stopped()).await;
}
