//! Readiness checks.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile_lifecycle::{CheckOutcome, Phase, Readiness};
use tokio::time::Instant;

use crate::support::{DRAIN_TIME, ready, within};

const LIMIT: Duration = Duration::from_secs(1);

fn outcomes(readiness: &Readiness) -> Vec<(&str, String)> {
    readiness
        .checks()
        .map(|(name, outcome)| (name, outcome.to_string()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn check_that_hangs_panics_or_fails_does_not_affect_others() {
    let (handle, _running) = ready().await;
    handle.add_check("good", LIMIT, || async { Ok::<_, Infallible>(()) });
    assert!(handle.readiness().await.is_ready());
    handle.add_check("bad", LIMIT, || async { Err("no route to host") });
    handle.add_check("hung", LIMIT, pending::<Result<(), &str>>);
    handle.add_check("at once", LIMIT, || -> std::future::Ready<Result<(), &str>> {
        panic!("no pool of {} connections", 0)
    });
    handle.add_check("later", LIMIT, || async {
        tokio::time::sleep(LIMIT / 2).await;
        if true {
            panic!("poisoned");
        }
        Ok::<_, Infallible>(())
    });
    let began = Instant::now();
    let readiness = within("readiness", handle.readiness()).await;
    assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs(), "not concurrent");
    assert!(!readiness.is_ready());
    assert_eq!(readiness.phase(), Phase::Ready);
    assert_eq!(
        outcomes(&readiness),
        [
            ("good", "ok".to_owned()),
            ("bad", "no route to host".to_owned()),
            ("hung", "timed out after 1s".to_owned()),
            ("at once", "panicked: no pool of 0 connections".to_owned()),
            ("later", "panicked: poisoned".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn check_of_the_same_name_is_replaced() {
    let (handle, _running) = ready().await;
    handle.add_check("database", LIMIT, || async { Err("down") });
    handle.add_check("database", LIMIT, || async { Ok::<_, Infallible>(()) });
    let readiness = handle.readiness().await;
    assert!(readiness.is_ready());
    assert_eq!(outcomes(&readiness), [("database", "ok".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn draining_service_reports_at_once_and_runs_no_check() {
    let (handle, _running) = ready().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    handle.add_check("database", LIMIT, move || {
        count.fetch_add(1, Ordering::Relaxed);
        pending::<Result<(), &str>>()
    });
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.readiness().await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    handle.drain();
    let readiness = within("readiness", waiting).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "waited for a check");
    assert_eq!(
        (readiness.is_ready(), readiness.phase()),
        (false, Phase::Draining)
    );
    assert_eq!(
        readiness.checks().next(),
        Some(("database", &CheckOutcome::Skipped))
    );

    tokio::time::sleep(Duration::from_secs(2)).await;
    let readiness = handle.readiness().await;
    assert_eq!(readiness.time_left(), Some(DRAIN_TIME - Duration::from_secs(2)));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let _guard = handle.guard();
    handle.drain_elapsed().await;
    assert_eq!(handle.readiness().await.time_left(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn time_left_is_none_before_the_drain() {
    let (handle, _running) = ready().await;
    assert_eq!(handle.readiness().await.time_left(), None);
}
