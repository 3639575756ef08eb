//! Latches.

use std::time::Duration;

use campanile_lifecycle::Phase;

use crate::support::{Log, lifecycle, within};

#[tokio::test(start_paused = true)]
async fn service_is_ready_when_the_last_latch_is_released() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let (database, cache) = (lifecycle.latch("database"), lifecycle.latch("cache"));
    let running = tokio::spawn(lifecycle.run());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(handle.phase(), Phase::Starting);
    cache.release();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let readiness = handle.readiness().await;
    assert!(!readiness.is_ready());
    assert_eq!(readiness.phase(), Phase::Starting);
    let checks: Vec<_> = readiness
        .checks()
        .map(|(name, outcome)| (name, outcome.to_string()))
        .collect();
    assert_eq!(checks, [("database", "not released yet".to_owned())]);
    database.release();
    within("readiness", handle.ready()).await;
    let readiness = handle.readiness().await;
    assert!(
        readiness.is_ready() && readiness.checks().count() == 0,
        "{readiness:?}"
    );
    handle.cut();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropped_latch_keeps_the_service_from_being_ready_and_is_named() {
    let (log, _guard) = Log::start();
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let latch = lifecycle.latch("database");
    let running = tokio::spawn(lifecycle.run());
    drop(latch);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(handle.phase(), Phase::Starting);
    let readiness = handle.readiness().await;
    let checks: Vec<_> = readiness
        .checks()
        .map(|(name, outcome)| (name, outcome.to_string()))
        .collect();
    assert_eq!(checks, [("database", "dropped without release".to_owned())]);
    assert!(log.line("ERROR").contains("latch=\"database\""), "{}", log.text());
    // A shutdown still works.
    handle.drain();
    within("end", running).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn latch_dropped_after_a_shutdown_logs_nothing() {
    let (log, _guard) = Log::start();
    let lifecycle = lifecycle();
    let latch = lifecycle.latch("database");
    lifecycle.handle().drain();
    within("end", lifecycle.run()).await;
    drop(latch);
    assert!(!log.text().contains("ERROR"), "{}", log.text());
}
