//! Observers that panic themselves: each exchange still ends once, and every observer that was entered is left.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile_core::exchange::{Begin, End, EndReason, ExchangeLayer, Interrupt, Observe, Observer, Pair};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

/// Counts what its observers see.
#[derive(Clone, Default)]
struct Watch(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    /// Entered less left.
    depth: i32,
    ends: Vec<EndReason>,
}

impl<B> Observe<B> for Watch {
    type Observer = Self;

    fn begin(&self, _: &mut Request<B>) -> Begin<Self> {
        Begin::Observe(self.clone())
    }
}

impl Observer for Watch {
    fn enter(&mut self) {
        self.0.borrow_mut().depth += 1;
    }

    fn leave(&mut self) {
        self.0.borrow_mut().depth -= 1;
    }

    fn on_end(&mut self, end: End<'_>) {
        self.0.borrow_mut().ends.push(end.reason);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Enter,
    Leave,
    OnResponse,
    OnEnd,
}

/// Panics at the n-th run of one of its methods.
#[derive(Clone)]
struct Panics {
    step: Step,
    runs_left: Rc<RefCell<u32>>,
}

impl Panics {
    fn at(step: Step, run: u32) -> Self {
        Self {
            step,
            runs_left: Rc::new(RefCell::new(run)),
        }
    }

    fn run(&self, step: Step) {
        if step == self.step {
            let mut left = self.runs_left.borrow_mut();
            *left = left.wrapping_sub(1);
            let now = *left == 0;
            drop(left);
            assert!(!now, "on purpose");
        }
    }
}

impl<B> Observe<B> for Panics {
    type Observer = Self;

    fn begin(&self, _: &mut Request<B>) -> Begin<Self> {
        Begin::Observe(self.clone())
    }
}

impl Observer for Panics {
    fn enter(&mut self) {
        self.run(Step::Enter);
    }

    fn leave(&mut self) {
        self.run(Step::Leave);
    }

    fn on_response<B: Body>(&mut self, _: &mut Response<B>) {
        self.run(Step::OnResponse);
    }

    fn on_end(&mut self, _: End<'_>) {
        self.run(Step::OnEnd);
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn request() -> Request<()> {
    Request::new(())
}

/// Serves one request to its end and drops what is left, each in a call of its own, as a server does that catches panics.
fn serve<P: Observe<()>>(observe: P, responds: bool) {
    let mut service =
        ExchangeLayer::new(Owned(Rc::new(observe))).layer(service_fn(move |_: Request<()>| async move {
            if !responds {
                pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        }));
    let called = catch_unwind(AssertUnwindSafe(|| Box::pin(service.call(request()))));
    let Ok(mut future) = called else { return };
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx())));
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    let Ok(Poll::Ready(Ok(response))) = polled else {
        return;
    };
    let mut body = Box::pin(response.into_body());
    let _ = catch_unwind(AssertUnwindSafe(|| {
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut cx()) {}
    }));
    let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
}

/// Lets a layer be cloned whatever it observes with.
struct Owned<P>(Rc<P>);

impl<P> Clone for Owned<P> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<B, P: Observe<B>> Observe<B> for Owned<P> {
    type Observer = P::Observer;

    fn begin(&self, request: &mut Request<B>) -> Begin<P::Observer> {
        self.0.begin(request)
    }
}

fn one_of_a_pair_panics(step: Step) {
    for run in 1..=4 {
        for responds in [true, false] {
            for watch_is_outer in [true, false] {
                let watch = Watch::default();
                let panics = Panics::at(step, run);
                if watch_is_outer {
                    serve(Pair::new(watch.clone(), panics), responds);
                } else {
                    serve(Pair::new(panics, watch.clone()), responds);
                }
                let case =
                    format!("{step:?} {run}, responds: {responds}, the other is outer: {watch_is_outer}");
                let seen = watch.0.borrow();
                assert_eq!(seen.depth, 0, "{case}");
                // A pair may panic before it is made.
                let is_made = run > 1 || watch_is_outer || !matches!(step, Step::Enter | Step::Leave);
                if is_made {
                    assert_eq!(seen.ends.len(), 1, "{case}");
                }
            }
        }
    }
}

#[test]
fn an_observer_that_panics_when_it_is_entered_leaves_the_other_of_a_pair_in_order() {
    one_of_a_pair_panics(Step::Enter);
}

#[test]
fn an_observer_that_panics_when_it_is_left_leaves_the_other_of_a_pair_in_order() {
    one_of_a_pair_panics(Step::Leave);
}

#[test]
fn an_observer_that_panics_at_the_response_leaves_the_other_of_a_pair_in_order() {
    one_of_a_pair_panics(Step::OnResponse);
}

#[test]
fn an_observer_that_panics_at_the_end_leaves_the_other_of_a_pair_in_order() {
    one_of_a_pair_panics(Step::OnEnd);
}

#[test]
fn an_observer_that_panics_at_the_end_of_what_a_panic_drops_does_not_abort() {
    let mut service = ExchangeLayer::new(Panics::at(Step::OnEnd, 1)).layer(service_fn(|_: Request<()>| {
        pending::<Result<Response<Full<Bytes>>, Infallible>>()
    }));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = service.call(request());
        panic!("on purpose");
    }));
    assert!(panicked.is_err());

    struct Endless;
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }
    let mut service =
        ExchangeLayer::new(Panics::at(Step::OnEnd, 1)).layer(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Endless))
        }));
    let Poll::Ready(Ok(response)) = Box::pin(service.call(request())).as_mut().poll(&mut cx()) else {
        panic!("the service responds at once");
    };
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = response;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
}

/// Responds to a pending service at once, and to its panics.
#[derive(Clone)]
struct Impatient(Watch);

impl<B> Observe<B> for Impatient {
    type Observer = Self;

    fn begin(&self, _: &mut Request<B>) -> Begin<Self> {
        Begin::Observe(self.clone())
    }
}

impl Observer for Impatient {
    const INTERRUPTS: bool = true;
    const CATCHES_PANICS: bool = true;

    fn enter(&mut self) {
        self.0.enter();
    }

    fn leave(&mut self) {
        self.0.leave();
    }

    fn on_end(&mut self, end: End<'_>) {
        self.0.on_end(end);
    }

    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let status = if let Interrupt::Panicked(_) = cause {
            500
        } else {
            504
        };
        Some(Response::builder().status(status).body(()).unwrap())
    }
}

#[test]
fn a_panic_of_the_drop_of_an_interrupted_future_is_caught_too() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let watch = Watch::default();
    let mut service =
        ExchangeLayer::new(Impatient(watch.clone())).layer(service_fn(|_: Request<()>| async {
            let _held = PanicsWhenDropped;
            pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        }));
    let mut future = Box::pin(service.call(request()));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx()) else {
        panic!("the observer responds at once");
    };
    assert_eq!(response.status(), 500);
    let seen = watch.0.borrow();
    assert_eq!((seen.depth, &*seen.ends), (0, &[EndReason::Complete][..]));
}
