//! Futures that wait for a phase.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use campanile_lifecycle::Phase;

use crate::support::{lifecycle, ready, within};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn waiter_is_woken_once_and_only_for_its_phase() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let (drain_wakes, drain_waker) = Wakes::new();
    let (stop_wakes, stop_waker) = Wakes::new();
    let (mut draining, mut stopped) = (handle.draining(), handle.stopped());
    for _ in 0..3 {
        assert!(
            Pin::new(&mut draining)
                .poll(&mut Context::from_waker(&drain_waker))
                .is_pending()
        );
        assert!(
            Pin::new(&mut stopped)
                .poll(&mut Context::from_waker(&stop_waker))
                .is_pending()
        );
    }
    handle.drain();
    assert_eq!((drain_wakes.count(), stop_wakes.count()), (1, 0));
    assert!(
        Pin::new(&mut draining)
            .poll(&mut Context::from_waker(&drain_waker))
            .is_ready()
    );
    drop(lifecycle);
    assert_eq!((drain_wakes.count(), stop_wakes.count()), (1, 1));
    // Completes again when polled again.
    assert!(
        Pin::new(&mut draining)
            .poll(&mut Context::from_waker(&drain_waker))
            .is_ready()
    );
}

#[test]
fn last_polling_task_is_woken_and_dropped_waiter_is_not() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let (old, old_waker) = Wakes::new();
    let (new, new_waker) = Wakes::new();
    let (gone, gone_waker) = Wakes::new();
    let mut moved = handle.draining();
    let mut dropped = handle.draining();
    assert!(
        Pin::new(&mut moved)
            .poll(&mut Context::from_waker(&old_waker))
            .is_pending()
    );
    assert!(
        Pin::new(&mut dropped)
            .poll(&mut Context::from_waker(&gone_waker))
            .is_pending()
    );
    assert!(
        Pin::new(&mut moved)
            .poll(&mut Context::from_waker(&new_waker))
            .is_pending()
    );
    drop(dropped);
    // Replaced and dropped wakers are released.
    assert_eq!((Arc::strong_count(&gone), Arc::strong_count(&old)), (2, 2));
    // A clone has a registration of its own, which reuses the free entry.
    let mut clone = moved.clone();
    let (cloned, cloned_waker) = Wakes::new();
    assert!(
        Pin::new(&mut clone)
            .poll(&mut Context::from_waker(&cloned_waker))
            .is_pending()
    );
    handle.drain();
    assert_eq!(
        [old.count(), new.count(), gone.count(), cloned.count()],
        [0, 1, 0, 1]
    );
    assert_eq!(
        Pin::new(&mut clone).poll(&mut Context::from_waker(&cloned_waker)),
        Poll::Ready(())
    );
}

#[tokio::test(start_paused = true)]
async fn changed_from_follows_every_phase() {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let follower = tokio::spawn({
        let handle = handle.clone();
        async move {
            let mut seen = vec![Phase::Starting];
            while seen.last() != Some(&Phase::Stopped) {
                let last = *seen.last().unwrap();
                seen.push(handle.changed_from(last).await);
            }
            seen
        }
    });
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    let guard = handle.guard();
    tokio::task::yield_now().await;
    handle.drain();
    handle.drain_elapsed().await;
    tokio::task::yield_now().await;
    drop(guard);
    within("end", running).await.unwrap();
    assert_eq!(within("last phase", follower).await.unwrap(), Phase::ALL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_are_all_woken() {
    let (handle, running) = ready().await;
    let watchers: Vec<_> = (0..1000)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.draining().await })
        })
        .collect();
    handle.drain();
    for watcher in watchers {
        within("watcher", watcher).await.unwrap();
    }
    handle.cut();
    within("end", running).await.unwrap();
}
