//! Background tasks.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::support::{DRAIN_TIME, Log, STOP_TIMEOUT, ready, within};

struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn task_within_its_deadline_completes_before_the_shutdown_ends() {
    let (handle, running) = ready().await;
    let drain_elapsed = handle.drain_elapsed();
    let task = tokio::spawn(handle.task("outbox", Duration::from_secs(4), async move {
        drain_elapsed.await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        "flushed"
    }));
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs() + 3);
    assert_eq!(task.await.unwrap(), Some("flushed"));
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn task_is_cut_at_its_own_deadline_and_named() {
    let (log, _guard) = Log::start();
    let (handle, running) = ready().await;
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(Arc::clone(&dropped));
    let mut task = Box::pin(handle.task("mailer", Duration::from_secs(2), async move {
        let _flag = flag;
        pending::<()>().await;
    }));
    let began = Instant::now();
    handle.drain();
    assert_eq!(within("cut", &mut task).await, None);
    // The future is dropped before the task.
    assert!(dropped.load(Ordering::Relaxed));
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs() + 2);
    let report = within("end", running).await.unwrap();
    assert!(report.was_cut());
    assert_eq!(report.cut_names().collect::<Vec<_>>(), ["mailer"]);
    assert!(
        log.line("task cut at its deadline of 2s")
            .contains("task=\"mailer\"")
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_and_guards_are_named_when_cut() {
    let (log, _guard) = Log::start();
    let (handle, running) = ready().await;
    let task = tokio::spawn(handle.task("mailer", Duration::from_secs(3600), pending::<()>()));
    let _thread = handle.named_guard("importer");
    let _connection = handle.guard();
    drop(handle.named_guard("gone"));
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), (DRAIN_TIME + STOP_TIMEOUT).as_secs());
    assert_eq!(task.await.unwrap(), None);
    assert_eq!(report.cut_names().collect::<Vec<_>>(), ["mailer", "importer"]);
    assert_eq!(report.in_flight_when_cut(), 3);
    let line = log.line("cutting work in flight");
    assert!(
        line.contains("in_flight=3") && line.contains("mailer, importer"),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn task_is_in_flight_from_its_creation_until_it_is_dropped() {
    let (handle, _running) = ready().await;
    let task = handle.task("never polled", STOP_TIMEOUT, pending::<()>());
    assert_eq!(handle.in_flight(), 1);
    drop(task);
    assert_eq!(handle.in_flight(), 0);
    let task = tokio::spawn(handle.task("panics", STOP_TIMEOUT, async { panic!("on purpose") }));
    assert!(task.await.is_err());
    assert_eq!(handle.in_flight(), 0);
}
