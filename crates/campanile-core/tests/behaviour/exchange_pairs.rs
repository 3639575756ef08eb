//! Two observers of one exchange: their order, and responses in place of the inner service.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::{Future, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Poll,
};

use bytes::Bytes;
use campanile_core::exchange::{Begin, End, ExchangeLayer, Interrupt, Observe, Observer, Pair};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

use crate::exchange::{Ends, cx, request};

/// Records what runs, in order, under a name.
#[derive(Clone)]
struct Log(&'static str, Rc<RefCell<Vec<String>>>);

impl Log {
    fn new() -> Self {
        Self("", Rc::default())
    }

    fn named(&self, name: &'static str) -> Self {
        Self(name, Rc::clone(&self.1))
    }

    fn push(&self, what: &str) {
        self.1.borrow_mut().push(format!("{}{what}", self.0));
    }

    /// Takes the entries, as one line.
    fn take(&self) -> String {
        self.1.take().join(" ")
    }
}

/// Responds in place of the inner service.
#[derive(Clone, Copy, PartialEq)]
enum Interrupts {
    Never,
    AtBegin,
    Pending,
    Failed,
    Panicked,
}

#[derive(Clone)]
struct Logging(Log, Interrupts);

impl<B> Observe<B> for Logging {
    type Observer = Self;

    fn begin(&self, _: &mut Request<B>) -> Begin<Self> {
        self.0.push("begin");
        match self.1 {
            Interrupts::AtBegin => Begin::Respond(Box::new(rejection()), Some(self.clone())),
            _ => Begin::Observe(self.clone()),
        }
    }
}

fn rejection() -> Response<()> {
    Response::builder().status(503).body(()).unwrap()
}

impl Observer for Logging {
    const INTERRUPTS: bool = true;
    const CATCHES_PANICS: bool = true;

    fn enter(&mut self) {
        self.0.push("+");
    }

    fn leave(&mut self) {
        self.0.push("-");
    }

    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        self.0.push(response.status().as_str());
    }

    fn on_end(&mut self, end: End<'_>) {
        self.0.push(&format!("{:?}", end.reason));
    }

    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let responds = match cause {
            Interrupt::Pending(_) => Interrupts::Pending,
            Interrupt::Failed => Interrupts::Failed,
            _ => Interrupts::Panicked,
        };
        (self.1 == responds).then(rejection)
    }
}

/// Calls a service around which `a` encloses `b`, polls its future once and drops what is left; returns the log.
fn pair_log<F>(interrupts: Interrupts, call: impl FnMut(Request<()>) -> F) -> String
where
    F: Future<Output = Result<Response<Full<Bytes>>, &'static str>>,
{
    let log = Log::new();
    let pair = Pair::new(
        Logging(log.named("a"), Interrupts::Never),
        Logging(log.named("b"), interrupts),
    );
    let mut service = ExchangeLayer::new(pair).layer(service_fn(call));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut future = Box::pin(service.call(request(&Method::GET)));
        match future.as_mut().poll(&mut cx()) {
            Poll::Ready(Ok(response)) => {
                log.push("|");
                drop(future);
                let mut body = Box::pin(response.into_body());
                while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut cx()) {}
            }
            Poll::Ready(Err(error)) => log.push(error),
            Poll::Pending => log.push("pending"),
        }
    }));
    if polled.is_err() {
        log.push("panic");
    }
    log.take()
}

fn hello() -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(b"hello")))
}

const BEGUN: &str = "abegin a+ bbegin a- a+ b+ b- a- a+ b+";

#[test]
fn the_first_of_a_pair_encloses_the_second() {
    let log = pair_log(Interrupts::Never, |_| ready(Ok(hello())));
    assert_eq!(
        log,
        format!("{BEGUN} b200 a200 b- a- | a+ b+ bComplete aComplete b- a-")
    );
}

#[test]
fn an_error_ends_both_of_a_pair_and_passes_through() {
    let log = pair_log(Interrupts::Never, |_| ready(Err("error")));
    assert_eq!(log, format!("{BEGUN} bFailed aFailed b- a- error"));
}

#[test]
fn a_pending_exchange_that_is_dropped_ends_while_entered() {
    let log = pair_log(Interrupts::Never, |_| pending());
    assert_eq!(
        log,
        format!("{BEGUN} b- a- pending a+ b+ bDropped aDropped b- a-")
    );
}

#[test]
fn a_panic_that_is_not_caught_ends_both_and_goes_on() {
    let log = pair_log(Interrupts::Never, |_| async { panic!("on purpose") });
    assert_eq!(log, format!("{BEGUN} bPanicked aPanicked b- a- panic"));
}

#[test]
fn a_panic_of_the_call_ends_both_too() {
    let log = pair_log(Interrupts::Never, |_| -> std::future::Pending<_> {
        panic!("on purpose")
    });
    assert_eq!(log, "abegin a+ bbegin a- a+ b+ bPanicked aPanicked b- a- panic");
}

#[test]
fn an_interrupt_becomes_the_response_that_both_observe() {
    let interrupted = format!("{BEGUN} b503 a503 bComplete aComplete b- a- |");
    assert_eq!(pair_log(Interrupts::Pending, |_| pending()), interrupted);
    assert_eq!(pair_log(Interrupts::Failed, |_| ready(Err("error"))), interrupted);
    assert_eq!(
        pair_log(Interrupts::Panicked, |_| async { panic!("on purpose") }),
        interrupted
    );
    // A panic of the call becomes a response when the future is polled.
    assert_eq!(
        pair_log(Interrupts::Panicked, |_| -> std::future::Pending<_> {
            panic!("on purpose")
        }),
        interrupted
    );
}

#[test]
fn a_response_at_the_beginning_calls_no_service() {
    let log = pair_log(Interrupts::AtBegin, |_| -> std::future::Pending<_> {
        panic!("not called")
    });
    assert_eq!(log, format!("{BEGUN} b503 a503 bComplete aComplete b- a- |"));
}

#[test]
fn a_panic_of_the_second_beginning_ends_the_first() {
    #[derive(Clone)]
    struct Panics;
    impl<B> Observe<B> for Panics {
        type Observer = Ends;
        fn begin(&self, _: &mut Request<B>) -> Begin<Ends> {
            panic!("on purpose")
        }
    }
    let log = Log::new();
    let pair = Pair::new(Logging(log.named("a"), Interrupts::Never), Panics);
    let mut service =
        ExchangeLayer::new(pair).layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(hello()))));
    let called = catch_unwind(AssertUnwindSafe(|| drop(service.call(request(&Method::GET)))));
    assert!(called.is_err());
    assert_eq!(log.take(), "abegin a+ aPanicked a-");
}
