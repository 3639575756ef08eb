//! Background tasks that the stop waits for.

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
async fn a_task_that_ends_in_time_yields_its_output_and_is_waited_for() {
    let (handle, running) = ready().await;
    let told = handle.draining_over();
    let task = tokio::spawn(handle.task("outbox", Duration::from_secs(4), async move {
        told.await;
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
async fn a_task_is_cut_at_its_own_deadline_and_named() {
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
    // Before the task itself is dropped.
    assert!(dropped.load(Ordering::Relaxed));
    assert_eq!(began.elapsed().as_secs(), DRAIN_TIME.as_secs() + 2);
    let report = within("end", running).await.unwrap();
    assert!(report.was_cut());
    assert_eq!(report.cut_names().collect::<Vec<_>>(), ["mailer"]);
    assert!(log.line("cut at its deadline of 2s").contains("task=\"mailer\""));
}

#[tokio::test(start_paused = true)]
async fn stragglers_are_named_when_all_is_cut() {
    let (log, _guard) = Log::start();
    let (handle, running) = ready().await;
    let task = tokio::spawn(handle.task("mailer", Duration::from_secs(3600), pending::<()>()));
    let _thread = handle.hold_named("importer");
    let _connection = handle.hold();
    drop(handle.hold_named("gone"));
    let began = Instant::now();
    handle.drain();
    let report = within("end", running).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), (DRAIN_TIME + STOP_TIMEOUT).as_secs());
    assert_eq!(task.await.unwrap(), None);
    assert_eq!(report.cut_names().collect::<Vec<_>>(), ["mailer", "importer"]);
    assert_eq!(report.in_flight_when_cut(), 3);
    let line = log.line("cutting what has not finished");
    assert!(
        line.contains("in_flight=3") && line.contains("mailer, importer"),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_counts_before_it_is_polled_and_until_it_is_dropped() {
    let (handle, _running) = ready().await;
    let task = handle.task("never polled", STOP_TIMEOUT, pending::<()>());
    assert_eq!(handle.in_flight(), 1);
    drop(task);
    assert_eq!(handle.in_flight(), 0);
    let task = tokio::spawn(handle.task("panics", STOP_TIMEOUT, async { panic!("on purpose") }));
    assert!(task.await.is_err());
    assert_eq!(handle.in_flight(), 0);
}
