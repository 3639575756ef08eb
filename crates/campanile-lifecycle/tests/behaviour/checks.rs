//! Readiness checks.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use campanile_lifecycle::{CheckOutcome, LifecycleHandle, Phase, Readiness};
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

/// Adds a check that blocks its thread until the sender is dropped, and returns the number of its calls.
fn add_blocking_check(handle: &LifecycleHandle, limit: Duration) -> (mpsc::Sender<()>, Arc<AtomicUsize>) {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    handle.add_check("blocking", limit, move || {
        count.fetch_add(1, Ordering::SeqCst);
        let released = Arc::clone(&released);
        async move {
            let _ = released.lock().map(|released| released.recv());
            Ok::<_, Infallible>(())
        }
    });
    (release, calls)
}

#[tokio::test]
async fn check_that_blocks_its_thread_holds_up_no_other_and_is_not_started_again() {
    let (handle, _running) = ready().await;
    handle.add_check("good", LIMIT, || async { Ok::<_, Infallible>(()) });
    let (release, calls) = add_blocking_check(&handle, Duration::from_millis(200));
    // The only thread of this runtime is free in the meantime.
    let (readiness, ()) = tokio::join!(handle.readiness(), tokio::task::yield_now());
    assert_eq!(
        outcomes(&readiness),
        [
            ("good", "ok".to_owned()),
            ("blocking", "timed out after 200ms".to_owned())
        ]
    );
    for _ in 0..20 {
        let readiness = within("readiness", handle.readiness()).await;
        let outcome = outcomes(&readiness).remove(1).1;
        assert_eq!(outcome, "still running after 0s");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    drop(release);
    let began = Instant::now();
    while !handle.readiness().await.is_ready() {
        assert!(began.elapsed() < Duration::from_secs(20), "it can run again");
    }
}

#[tokio::test]
async fn probes_during_a_run_share_it_also_if_the_first_is_dropped() {
    let (handle, _running) = ready().await;
    let (release, calls) = add_blocking_check(&handle, Duration::from_secs(20));
    let probe = || {
        let handle = handle.clone();
        tokio::spawn(async move { handle.readiness().await.is_ready() })
    };
    let first = probe();
    while calls.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let others = [(); 50].map(|()| probe());
    tokio::task::yield_now().await;
    first.abort();
    drop(release);
    for other in others {
        assert!(within("shared outcome", other).await.unwrap());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_checks_that_block_leave_threads_for_others() {
    let (handle, _running) = ready().await;
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    for index in 0..40 {
        let released = Arc::clone(&released);
        handle.add_check(
            format!("blocking {index}"),
            Duration::from_millis(100),
            move || {
                let released = Arc::clone(&released);
                async move {
                    let _ = released.lock().map(|released| released.recv());
                    Ok::<_, Infallible>(())
                }
            },
        );
    }
    for _ in 0..3 {
        assert!(!within("readiness", handle.readiness()).await.is_ready());
    }
    let other = tokio::task::spawn_blocking(|| 7);
    assert_eq!(within("another thread", other).await.unwrap(), 7);
    drop(release);
}

#[tokio::test]
async fn panics_while_dropping_a_check_are_outcomes() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let (handle, _running) = ready().await;
    handle.add_check("done", LIMIT, || {
        let bomb = Bomb;
        async move {
            let _bomb = bomb;
            Ok::<_, Infallible>(())
        }
    });
    handle.add_check("hung", Duration::from_millis(50), || {
        let bomb = Bomb;
        async move {
            let _bomb = bomb;
            pending::<Result<(), &str>>().await
        }
    });
    let readiness = within("readiness", handle.readiness()).await;
    assert_eq!(
        outcomes(&readiness),
        [
            ("done", "panicked: dropped".to_owned()),
            ("hung", "timed out after 50ms".to_owned())
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
