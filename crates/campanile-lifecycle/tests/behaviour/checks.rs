//! Named checks of what the service needs.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile_lifecycle::{CheckOutcome, Phase, Readiness};
use tokio::time::Instant;

use crate::support::{DRAIN_TIME, ready, within};

const LIMIT: Duration = Duration::from_secs(1);

fn said(readiness: &Readiness) -> Vec<(&str, String)> {
    readiness
        .checks()
        .map(|(name, outcome)| (name, outcome.to_string()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_or_panics_or_says_no_fails_alone() {
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
    let asked = Instant::now();
    let readiness = within("answer", handle.readiness()).await;
    assert_eq!(asked.elapsed().as_secs(), LIMIT.as_secs(), "beside each other");
    assert!(!readiness.is_ready());
    assert_eq!(readiness.phase(), Phase::Ready);
    assert_eq!(
        said(&readiness),
        [
            ("good", "ok".to_owned()),
            ("bad", "no route to host".to_owned()),
            ("hung", "no answer within 1s".to_owned()),
            ("at once", "panicked: no pool of 0 connections".to_owned()),
            ("later", "panicked: poisoned".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_of_the_same_name_is_replaced() {
    let (handle, _running) = ready().await;
    handle.add_check("database", LIMIT, || async { Err("down") });
    handle.add_check("database", LIMIT, || async { Ok::<_, Infallible>(()) });
    let readiness = handle.readiness().await;
    assert!(readiness.is_ready());
    assert_eq!(said(&readiness), [("database", "ok".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_draining_service_answers_at_once_and_asks_nobody() {
    let (handle, _running) = ready().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
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
    let readiness = within("answer", waiting).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "the drain waits for no check");
    assert_eq!(
        (readiness.is_ready(), readiness.phase()),
        (false, Phase::Draining)
    );
    assert_eq!(
        readiness.checks().next(),
        Some(("database", &CheckOutcome::NotAsked))
    );

    tokio::time::sleep(Duration::from_secs(2)).await;
    let readiness = handle.readiness().await;
    assert_eq!(readiness.time_left(), Some(DRAIN_TIME - Duration::from_secs(2)));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let _hold = handle.hold();
    handle.draining_over().await;
    assert_eq!(handle.readiness().await.time_left(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn before_the_drain_no_time_is_left_or_gone() {
    let (handle, _running) = ready().await;
    assert_eq!(handle.readiness().await.time_left(), None);
}
