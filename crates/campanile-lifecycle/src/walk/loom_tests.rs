//! The phases under every order of what happens at once: no wake-up is lost (a waiter that nobody wakes is a deadlock,
//! which loom reports), no phase goes back, and the end is always reached.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use tokio::time::Instant;

use super::stages::TO_CUT;
use super::{Supervisor, Walk};
use crate::clock::Clock;
use crate::count::Count;
use crate::handle::Handle;
use crate::latch::Latch;
use crate::phase::{Ask, Phase, Stage};
use crate::reached::Reached;
use crate::report::{Reason, Report};
use crate::settings::Settings;
use crate::shared::{Owner, Shared};
use crate::signals::Signals;

const DRAIN_TIME: Duration = Duration::from_secs(3);
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// Timers fire at once or never; what only refreshes gauges never does.
struct ModelClock {
    fires: &'static [Duration],
}

impl Clock for ModelClock {
    type Sleep = Pin<Box<dyn Future<Output = ()>>>;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        // What is left of a time is a little less than the time.
        let of = |time: &Duration| *time >= duration && *time - duration < Duration::from_millis(900);
        if self.fires.iter().any(of) {
            Box::pin(ready(()))
        } else {
            Box::pin(pending())
        }
    }
}

/// A thread that waits for a wake-up. Loom's own `block_on` makes wakers that do not know their clones, so that the way
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
        "a waker that does not know its clone"
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

/// Loads may be stale without a switch of threads, so few switches are enough to find a missing ordering.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

fn owner(settings: Settings) -> (Owner, Handle) {
    let shared = Arc::new(Shared::new(settings));
    let handle = Handle::new(&shared);
    (Owner(shared), handle)
}

fn walk(owner: Owner, fires: &'static [Duration]) -> Report {
    let serving = pin!(Reached::new(&owner.0, Stage::Stopping));
    let walk = Walk::new(
        owner,
        Signals::default(),
        Supervisor::default(),
        serving,
        ModelClock { fires },
    );
    block_on(walk.walk()).0
}

fn settings(drain_time: Duration) -> Settings {
    Settings::new()
        .with_drain_time(drain_time)
        .with_stop_timeout(STOP_TIMEOUT)
}

fn assert_forward(handle: &Handle, mut last: Phase) {
    for _ in 0..2 {
        let now = handle.phase();
        assert!(now >= last, "from {last} back to {now}");
        last = now;
    }
}

#[test]
fn loom_a_waiter_is_woken_whenever_it_comes() {
    model(|| {
        let (owner, handle) = owner(settings(DRAIN_TIME));
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
fn loom_a_waiter_that_goes_takes_no_wake_up_from_another() {
    model(|| {
        let (owner, handle) = owner(settings(DRAIN_TIME));
        let waiter = thread::spawn({
            let handle = handle.clone();
            move || block_on(handle.draining())
        });
        // Registers at the same level, and goes.
        let mut other = Box::pin(handle.draining());
        block_on(poll_fn(|cx| {
            let _ = other.as_mut().poll(cx);
            Poll::Ready(())
        }));
        let asker = thread::spawn({
            let handle = handle.clone();
            move || handle.drain()
        });
        drop(other);
        asker.join().unwrap();
        waiter.join().unwrap();
        drop(owner);
    });
}

#[test]
fn loom_who_waits_for_nothing_in_flight_is_woken_by_the_last() {
    model(|| {
        let count = Arc::new(Count::new());
        count.add();
        let holder = thread::spawn({
            let count = Arc::clone(&count);
            move || count.remove()
        });
        block_on(poll_fn(|cx| count.poll_zero(cx)));
        assert_eq!(count.now(), 0);
        holder.join().unwrap();
    });
}

#[test]
fn loom_of_two_who_ask_one_is_first_and_the_most_urgent_stands() {
    model(|| {
        let (owner, handle) = owner(settings(DRAIN_TIME));
        let other = thread::spawn({
            let handle = handle.clone();
            move || handle.drain()
        });
        let first = handle.drain();
        let cut = handle.cut();
        let other = other.join().unwrap();
        assert!(!(first && other) && cut, "{first} {other} {cut}");
        assert_eq!(owner.0.asks.now(), Ask::Cut);
        assert_eq!(handle.phase(), Phase::Draining);
    });
}

#[test]
fn loom_the_end_is_reached_whether_the_latch_or_the_drain_is_first() {
    model(|| {
        let (owner, handle) = owner(settings(DRAIN_TIME));
        let latch = Latch::new(&owner.0, "start".into());
        let asker = thread::spawn({
            let handle = handle.clone();
            move || {
                assert!(handle.drain());
                assert_forward(&handle, Phase::Draining);
            }
        });
        let starter = thread::spawn(move || latch.release());
        let report = walk(owner, &[DRAIN_TIME]);
        assert!(!report.was_cut(), "{report:?}");
        assert_eq!(handle.phase(), Phase::Stopped);
        asker.join().unwrap();
        starter.join().unwrap();
    });
}

#[test]
fn loom_the_last_hold_ends_the_stop_though_no_timer_does() {
    model(|| {
        let (owner, handle) = owner(settings(Duration::ZERO));
        let hold = handle.hold();
        let holder = thread::spawn({
            let handle = handle.clone();
            move || {
                block_on(handle.draining_over());
                drop(hold);
                block_on(handle.stopped());
                assert_forward(&handle, Phase::Stopped);
            }
        });
        handle.drain();
        let report = walk(owner, &[]);
        assert!(!report.was_cut(), "{report:?}");
        holder.join().unwrap();
    });
}

#[test]
fn loom_haste_that_comes_at_any_time_ends_the_stop() {
    model(|| {
        let (owner, handle) = owner(settings(DRAIN_TIME));
        // Never dropped before the end, and no timer but the one that gives time to cut.
        let hold = handle.hold();
        let asker = thread::spawn({
            let handle = handle.clone();
            move || {
                handle.drain();
                handle.end_drain_time();
                handle.cut();
            }
        });
        let report = walk(owner, &[TO_CUT]);
        assert!(report.was_cut() && report.in_flight_when_cut() == 1, "{report:?}");
        assert_eq!(handle.phase(), Phase::Stopped);
        drop(hold);
        asker.join().unwrap();
    });
}

#[test]
fn loom_a_lost_owner_leaves_nobody_waiting() {
    model(|| {
        let (owner, handle) = owner(settings(DRAIN_TIME));
        let waiter = thread::spawn({
            let handle = handle.clone();
            move || block_on(handle.stopped())
        });
        let asker = thread::spawn(move || owner.0.ask(Ask::Drain, Reason::Asked));
        assert_forward(&handle, Phase::Starting);
        asker.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(handle.phase(), Phase::Stopped);
    });
}
