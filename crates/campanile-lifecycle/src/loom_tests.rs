//! The lifecycle under every interleaving: no wake-up is lost (a waiter that is not woken is a deadlock, which loom
//! reports), no phase goes back, and the end is always reached.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use tokio::time::Instant;

use crate::config::ShutdownConfig;
use crate::driver::{CUT_GRACE, Clock, Driver, ServiceManager};
use crate::handle::LifecycleHandle;
use crate::latch::Latch;
use crate::phase::{Phase, Stage};
use crate::phase_reached::PhaseReached;
use crate::report::{Report, StopReason};
use crate::signals::Signals;
use crate::state::{LifecycleState, StateOwner};
use crate::wait_group::WaitGroup;

const DRAIN_TIME: Duration = Duration::from_secs(3);
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// Timers that fire at once, if their duration is listed, or never.
struct ModelClock {
    fires: &'static [Duration],
}

impl Clock for ModelClock {
    type Sleep = Pin<Box<dyn Future<Output = ()>>>;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        // The rest of a time limit is a little shorter than the limit.
        let matches = |time: &Duration| *time >= duration && *time - duration < Duration::from_millis(900);
        if self.fires.iter().any(matches) {
            Box::pin(ready(()))
        } else {
            Box::pin(pending())
        }
    }
}

/// A thread that waits for a wake-up. Wakers of loom's own `block_on` do not compare equal to their clones, so the path
/// without a lock would never be taken.
struct Parked {
    woken: Mutex<bool>,
    wake_up: Condvar,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.wake_up.notify_one();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let parked = Arc::new(Parked {
        woken: Mutex::new(false),
        wake_up: Condvar::new(),
    });
    let waker = Waker::from(Arc::clone(&parked));
    assert!(
        waker.will_wake(&waker.clone()),
        "the waker does not compare equal to its clone"
    );
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut woken = parked.woken.lock().unwrap();
        while !*woken {
            woken = parked.wake_up.wait(woken).unwrap();
        }
        *woken = false;
    }
}

/// Two preemptions suffice to find a missing ordering: loom's loads can be stale without a thread switch.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

fn owner(config: ShutdownConfig) -> (StateOwner, LifecycleHandle) {
    let state = Arc::new(LifecycleState::new(config));
    let handle = LifecycleHandle::new(&state);
    (StateOwner(state), handle)
}

fn run(owner: StateOwner, fires: &'static [Duration]) -> Report {
    let serve = pin!(PhaseReached::new(&owner.0, Stage::Stopping));
    let driver = Driver::new(
        owner,
        Signals::default(),
        ServiceManager::default(),
        serve,
        ModelClock { fires },
    );
    block_on(driver.run()).0
}

fn config(drain_time: Duration) -> ShutdownConfig {
    ShutdownConfig::new()
        .with_drain_time(drain_time)
        .with_stop_timeout(STOP_TIMEOUT)
}

fn assert_forward(handle: &LifecycleHandle, mut last: Phase) {
    for _ in 0..2 {
        let now = handle.phase();
        assert!(now >= last, "from {last} back to {now}");
        last = now;
    }
}

#[test]
fn loom_waiter_is_woken_whenever_it_registers() {
    model(|| {
        let (owner, handle) = owner(config(DRAIN_TIME));
        let waiter = thread::spawn({
            let handle = handle.clone();
            move || {
                block_on(handle.draining());
                assert_forward(&handle, Phase::Draining);
            }
        });
        assert!(handle.drain());
        waiter.join().unwrap();
        drop(owner);
    });
}

#[test]
fn loom_dropped_waiter_takes_no_wake_up_from_another() {
    model(|| {
        let (owner, handle) = owner(config(DRAIN_TIME));
        let waiter = thread::spawn({
            let handle = handle.clone();
            move || block_on(handle.draining())
        });
        // Registers at the same level, and is dropped.
        let mut other = Box::pin(handle.draining());
        block_on(poll_fn(|cx| {
            let _ = other.as_mut().poll(cx);
            Poll::Ready(())
        }));
        let requester = thread::spawn({
            let handle = handle.clone();
            move || handle.drain()
        });
        drop(other);
        requester.join().unwrap();
        waiter.join().unwrap();
        drop(owner);
    });
}

#[test]
fn loom_last_member_of_a_wait_group_wakes_the_waiter() {
    model(|| {
        let group = Arc::new(WaitGroup::new());
        group.add();
        let holder = thread::spawn({
            let group = Arc::clone(&group);
            move || group.remove()
        });
        block_on(poll_fn(|cx| group.poll_zero(cx)));
        assert_eq!(group.count(), 0);
        holder.join().unwrap();
    });
}

#[test]
fn loom_one_of_two_requests_is_first_and_the_latest_stage_wins() {
    model(|| {
        let (owner, handle) = owner(config(DRAIN_TIME));
        let other = thread::spawn({
            let handle = handle.clone();
            move || handle.drain()
        });
        let first = handle.drain();
        let cut = handle.cut();
        let other = other.join().unwrap();
        assert!(!(first && other) && cut, "{first} {other} {cut}");
        assert_eq!(owner.0.requested.get(), Stage::Cutting);
        assert_eq!(handle.phase(), Phase::Draining);
    });
}

#[test]
fn loom_service_stops_whether_latch_or_drain_is_first() {
    model(|| {
        let (owner, handle) = owner(config(DRAIN_TIME));
        let latch = Latch::new(&owner.0, "start".into());
        let requester = thread::spawn({
            let handle = handle.clone();
            move || {
                assert!(handle.drain());
                assert_forward(&handle, Phase::Draining);
            }
        });
        let starter = thread::spawn(move || latch.release());
        let report = run(owner, &[DRAIN_TIME]);
        assert!(!report.was_cut(), "{report:?}");
        assert_eq!(handle.phase(), Phase::Stopped);
        requester.join().unwrap();
        starter.join().unwrap();
    });
}

#[test]
fn loom_last_guard_ends_the_shutdown_without_a_timer() {
    model(|| {
        let (owner, handle) = owner(config(Duration::ZERO));
        let guard = handle.guard();
        let holder = thread::spawn({
            let handle = handle.clone();
            move || {
                block_on(handle.drain_elapsed());
                drop(guard);
                block_on(handle.stopped());
                assert_forward(&handle, Phase::Stopped);
            }
        });
        handle.drain();
        let report = run(owner, &[]);
        assert!(!report.was_cut(), "{report:?}");
        holder.join().unwrap();
    });
}

#[test]
fn loom_later_requests_at_any_time_end_the_shutdown() {
    model(|| {
        let (owner, handle) = owner(config(DRAIN_TIME));
        // Held to the end; the only timer that fires is the grace after the cut.
        let guard = handle.guard();
        let requester = thread::spawn({
            let handle = handle.clone();
            move || {
                handle.drain();
                handle.end_drain_time();
                handle.cut();
            }
        });
        let report = run(owner, &[CUT_GRACE]);
        assert!(report.was_cut() && report.in_flight_when_cut() == 1, "{report:?}");
        assert_eq!(handle.phase(), Phase::Stopped);
        drop(guard);
        requester.join().unwrap();
    });
}

#[test]
fn loom_dropped_owner_leaves_no_waiter_pending() {
    model(|| {
        let (owner, handle) = owner(config(DRAIN_TIME));
        let waiter = thread::spawn({
            let handle = handle.clone();
            move || block_on(handle.stopped())
        });
        let requester = thread::spawn(move || owner.0.request(Stage::Draining, StopReason::Requested));
        assert_forward(&handle, Phase::Starting);
        requester.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(handle.phase(), Phase::Stopped);
    });
}
