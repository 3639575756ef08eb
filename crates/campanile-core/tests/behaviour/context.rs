//! The current request context.

use std::{
    cell::RefCell,
    future::{Future, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile_core::{Deadline, RequestContext, RequestId, in_flight::InFlightEntry};
use http::HeaderValue;

fn context(id: &str) -> RequestContext {
    RequestContext::new(id.parse().expect("a valid id"))
}

fn current() -> Option<String> {
    RequestContext::with_current(|current| current.map(|current| current.id().to_string()))
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Records the current request when it is dropped.
#[derive(Clone, Default)]
struct DropRecorder(Rc<RefCell<Vec<Option<String>>>>);

impl Drop for DropRecorder {
    fn drop(&mut self) {
        self.0.borrow_mut().push(current());
    }
}

impl DropRecorder {
    fn seen(&self) -> Vec<Option<String>> {
        self.0.borrow().clone()
    }
}

#[test]
fn there_is_no_current_context_outside_a_request() {
    assert!(RequestContext::current().is_none());
    RequestContext::with_current(|current| assert!(current.is_none()));
}

#[test]
fn a_context_returns_what_was_set() {
    let deadline = Deadline::after(Duration::from_secs(60));
    let id = RequestId::generate();
    let entry = InFlightEntry::take(&id, 1, campanile_core::clock::FastInstant::now()).unwrap();
    let bare = RequestContext::new(id.clone());
    assert!(bare.deadline().is_none() && bare.traceparent().is_none() && bare.entry().is_none());
    let full = bare
        .clone()
        .with_deadline(deadline)
        .with_traceparent(HeaderValue::from_static("00-aa-bb-01"))
        .with_entry(entry.reference());
    assert_eq!(full.id(), &id);
    assert_eq!(full.deadline(), Some(deadline));
    assert_eq!(full.traceparent().unwrap(), "00-aa-bb-01");
    assert_eq!(full.entry(), Some(entry.reference()));
    // The original is unchanged.
    assert!(bare.deadline().is_none());
}

#[test]
fn nested_scopes_restore_the_outer_context() {
    context("outer").sync_scope(|| {
        assert_eq!(current().as_deref(), Some("outer"));
        context("inner").sync_scope(|| assert_eq!(current().as_deref(), Some("inner")));
        assert_eq!(current().as_deref(), Some("outer"));
        let entered = context("guard").enter();
        assert_eq!(current().as_deref(), Some("guard"));
        drop(entered);
        assert_eq!(current().as_deref(), Some("outer"));
    });
    assert_eq!(current(), None);
}

#[test]
fn a_scope_restores_the_outer_context_after_a_panic() {
    context("outer").sync_scope(|| {
        let panicked = catch_unwind(|| context("inner").sync_scope(|| panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(current().as_deref(), Some("outer"));
        let panicked = catch_unwind(|| RequestContext::with_current(|_| panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(current().as_deref(), Some("outer"));
    });
}

#[test]
fn a_scoped_future_has_its_context_only_while_it_is_polled() {
    let mut polls = 0;
    let mut scoped = pin!(context("a").scope(poll_fn(|_| {
        assert_eq!(current().as_deref(), Some("a"));
        polls += 1;
        if polls == 3 { Poll::Ready(7) } else { Poll::Pending }
    })));
    for _ in 0..2 {
        assert!(poll(scoped.as_mut()).is_pending());
        assert_eq!(current(), None);
    }
    context("b").sync_scope(|| {
        assert_eq!(poll(scoped.as_mut()), Poll::Ready(7));
        assert_eq!(current().as_deref(), Some("b"));
    });
}

#[test]
fn nested_futures_each_have_their_own_context() {
    let inner = context("inner").scope(async { current() });
    let mut outer = pin!(context("outer").scope(async { (current(), inner.await, current()) }));
    let Poll::Ready((before, within, after)) = poll(outer.as_mut()) else {
        panic!("the future is pending");
    };
    assert_eq!(before.as_deref(), Some("outer"));
    assert_eq!(within.as_deref(), Some("inner"));
    assert_eq!(after.as_deref(), Some("outer"));
}

#[test]
fn a_panicking_poll_restores_the_outer_context() {
    context("outer").sync_scope(|| {
        let mut scoped = Box::pin(context("inner").scope(poll_fn(|_| -> Poll<()> { panic!("on purpose") })));
        let panicked = catch_unwind(AssertUnwindSafe(|| poll(scoped.as_mut())));
        assert!(panicked.is_err());
        assert_eq!(current().as_deref(), Some("outer"));
        drop(scoped);
        assert_eq!(current().as_deref(), Some("outer"));
    });
}

#[test]
fn a_dropped_future_has_its_context() {
    let recorder = DropRecorder::default();
    let seen = Rc::clone(&recorder.0);
    let mut scoped = Box::pin(context("a").scope(async move {
        let _held = recorder;
        std::future::pending::<()>().await;
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    context("b").sync_scope(|| drop(scoped));
    assert_eq!(*seen.borrow(), [Some("a".to_owned())]);
}

#[test]
fn an_unpolled_future_has_its_context_when_dropped() {
    let recorder = DropRecorder::default();
    let seen = Rc::clone(&recorder.0);
    drop(context("a").scope(async move { drop(recorder) }));
    assert_eq!(*seen.borrow(), [Some("a".to_owned())]);
}

#[test]
fn a_panicked_future_has_its_context_when_dropped() {
    /// Holds its recorder through the panic, as a boxed or hand-written future does.
    struct Panics {
        _held: DropRecorder,
    }
    impl Future for Panics {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("on purpose")
        }
    }
    let recorder = DropRecorder::default();
    let mut scoped = Box::pin(context("a").scope(Panics {
        _held: recorder.clone(),
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(scoped.as_mut()))).is_err());
    drop(scoped);
    assert_eq!(recorder.seen(), [Some("a".to_owned())]);
}

#[test]
fn a_completed_future_leaves_no_current_context() {
    let mut scoped = Box::pin(context("a").scope(ready(())));
    assert!(poll(scoped.as_mut()).is_ready());
    drop(scoped);
    assert_eq!(current(), None);
}

#[test]
fn there_is_no_current_context_inside_with_current() {
    context("a").sync_scope(|| {
        let id = RequestContext::with_current(|current| {
            assert!(RequestContext::current().is_none(), "inside with_current");
            current.map(|current| current.id().clone())
        });
        assert_eq!(id.unwrap().as_str(), "a");
        assert_eq!(current().as_deref(), Some("a"));
    });
}

#[test]
fn another_thread_has_no_current_context() {
    context("a").sync_scope(|| {
        assert_eq!(std::thread::spawn(current).join().unwrap(), None);
    });
}

#[test]
fn the_context_works_while_thread_locals_are_destroyed() {
    struct UsesContextOnDrop;
    impl Drop for UsesContextOnDrop {
        fn drop(&mut self) {
            context("late").sync_scope(|| drop(RequestContext::current()));
            drop(RequestId::generate().compose());
        }
    }
    thread_local! {
        static LAST: RefCell<Option<UsesContextOnDrop>> = const { RefCell::new(None) };
    }
    let thread = std::thread::spawn(|| {
        LAST.set(Some(UsesContextOnDrop));
        context("a").sync_scope(|| assert!(current().is_some()));
    });
    assert!(thread.join().is_ok());
}

#[test]
fn the_debug_output_has_the_id() {
    let text = format!("{:?} {:?}", context("a"), context("b").scope(()));
    assert!(
        text.contains("RequestId(a)") && text.contains("RequestId(b)"),
        "{text}"
    );
}
