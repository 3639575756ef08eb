//! Which request the calling code works for.

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

/// Notes which request it saw when it was dropped.
#[derive(Clone, Default)]
struct Witness(Rc<RefCell<Vec<Option<String>>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.borrow_mut().push(current());
    }
}

impl Witness {
    fn seen(&self) -> Vec<Option<String>> {
        self.0.borrow().clone()
    }
}

#[test]
fn there_is_no_request_outside_of_any() {
    assert!(RequestContext::current().is_none());
    RequestContext::with_current(|current| assert!(current.is_none()));
}

#[test]
fn the_context_tells_what_it_was_given() {
    let deadline = Deadline::after(Duration::from_secs(60));
    let id = RequestId::generate();
    let seat = InFlightEntry::take(&id, 1, campanile_core::clock::FastInstant::now()).unwrap();
    let bare = RequestContext::new(id.clone());
    assert!(bare.deadline().is_none() && bare.traceparent().is_none() && bare.entry().is_none());
    let full = bare
        .clone()
        .with_deadline(deadline)
        .with_traceparent(HeaderValue::from_static("00-aa-bb-01"))
        .with_entry(seat.reference());
    assert_eq!(full.id(), &id);
    assert_eq!(full.deadline(), Some(deadline));
    assert_eq!(full.traceparent().unwrap(), "00-aa-bb-01");
    assert_eq!(full.entry(), Some(seat.reference()));
    // The clone it was made of stays as it was.
    assert!(bare.deadline().is_none());
}

#[test]
fn scopes_nest_and_restore() {
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
fn a_scope_restores_when_its_work_panics() {
    context("outer").sync_scope(|| {
        let panicked = catch_unwind(|| context("inner").sync_scope(|| panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(current().as_deref(), Some("outer"));
        let looked = catch_unwind(|| RequestContext::with_current(|_| panic!("on purpose")));
        assert!(looked.is_err());
        assert_eq!(current().as_deref(), Some("outer"));
    });
}

#[test]
fn a_future_sees_its_context_at_every_poll_and_nobody_else_does() {
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
fn futures_within_futures_see_their_own() {
    let inner = context("inner").scope(async { current() });
    let mut outer = pin!(context("outer").scope(async { (current(), inner.await, current()) }));
    let Poll::Ready((before, within, after)) = poll(outer.as_mut()) else {
        panic!("nothing to wait for");
    };
    assert_eq!(before.as_deref(), Some("outer"));
    assert_eq!(within.as_deref(), Some("inner"));
    assert_eq!(after.as_deref(), Some("outer"));
}

#[test]
fn a_poll_that_panics_restores_the_context_outside() {
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
fn a_dropped_future_sees_its_context() {
    let witness = Witness::default();
    let seen = Rc::clone(&witness.0);
    let mut scoped = Box::pin(context("a").scope(async move {
        let _held = witness;
        std::future::pending::<()>().await;
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    context("b").sync_scope(|| drop(scoped));
    assert_eq!(*seen.borrow(), [Some("a".to_owned())]);
}

#[test]
fn a_future_that_was_never_polled_sees_its_context_when_dropped() {
    let witness = Witness::default();
    let seen = Rc::clone(&witness.0);
    drop(context("a").scope(async move { drop(witness) }));
    assert_eq!(*seen.borrow(), [Some("a".to_owned())]);
}

#[test]
fn a_future_that_panicked_sees_its_context_when_dropped() {
    /// Keeps its witness through the panic, as a boxed or hand-written future does.
    struct Panics {
        _held: Witness,
    }
    impl Future for Panics {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("on purpose")
        }
    }
    let witness = Witness::default();
    let mut scoped = Box::pin(context("a").scope(Panics {
        _held: witness.clone(),
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(scoped.as_mut()))).is_err());
    drop(scoped);
    assert_eq!(witness.seen(), [Some("a".to_owned())]);
}

#[test]
fn the_last_clone_of_a_context_may_be_dropped_by_its_own_work() {
    let mut scoped = Box::pin(context("a").scope(ready(())));
    assert!(poll(scoped.as_mut()).is_ready());
    drop(scoped);
    assert_eq!(current(), None);
}

#[test]
fn a_look_at_the_current_context_clones_nothing_and_is_not_a_scope() {
    context("a").sync_scope(|| {
        let id = RequestContext::with_current(|current| {
            assert!(RequestContext::current().is_none(), "a look is not for work");
            current.map(|current| current.id().clone())
        });
        assert_eq!(id.unwrap().as_str(), "a");
        assert_eq!(current().as_deref(), Some("a"));
    });
}

#[test]
fn threads_do_not_see_each_other() {
    context("a").sync_scope(|| {
        assert_eq!(std::thread::spawn(current).join().unwrap(), None);
    });
}

#[test]
fn a_thread_that_ends_may_still_ask() {
    struct AsksAtTheEnd;
    impl Drop for AsksAtTheEnd {
        fn drop(&mut self) {
            context("late").sync_scope(|| drop(RequestContext::current()));
            drop(RequestId::generate().compose());
        }
    }
    thread_local! {
        static LAST: RefCell<Option<AsksAtTheEnd>> = const { RefCell::new(None) };
    }
    let thread = std::thread::spawn(|| {
        LAST.set(Some(AsksAtTheEnd));
        context("a").sync_scope(|| assert!(current().is_some()));
    });
    assert!(thread.join().is_ok());
}

#[test]
fn the_debug_text_names_the_id() {
    let text = format!("{:?} {:?}", context("a"), context("b").scope(()));
    assert!(
        text.contains("RequestId(a)") && text.contains("RequestId(b)"),
        "{text}"
    );
}
