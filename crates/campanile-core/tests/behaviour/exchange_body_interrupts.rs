//! Observers that end a response body.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile_core::{
    exchange::{Begin, End, EndReason, ExchangeLayer, Observe, Observer, Pair},
    grpc::{self, Code},
};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tower::{Layer, Service, service_fn};

/// What observers and bodies have seen.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Ends the body once the flag is set.
#[derive(Clone, Default)]
struct EndsBody(Arc<AtomicBool>, Log);

struct BodyEnder(EndsBody);

impl<B> Observe<B> for EndsBody {
    type Observer = BodyEnder;

    fn begin(&self, _: &mut Request<B>) -> Begin<BodyEnder> {
        Begin::Observe(BodyEnder(self.clone()))
    }
}

impl Observer for BodyEnder {
    const INTERRUPTS_BODIES: bool = true;

    fn enter(&mut self) {
        self.0.1.add("enter");
    }

    fn leave(&mut self) {
        self.0.1.add("leave");
    }

    fn interrupt_body(&mut self, _: &mut Context<'_>) -> Option<HeaderMap> {
        self.0.0.load(Ordering::Relaxed).then(grpc::deadline_trailers)
    }

    fn on_end(&mut self, end: End<'_>) {
        let code = end.trailers.and_then(Code::from_headers);
        self.0.1.add(format!("{:?} {} {code:?}", end.reason, end.bytes));
    }
}

impl Drop for BodyEnder {
    fn drop(&mut self) {
        self.0.1.add("observer dropped");
    }
}

/// A body of one data frame, and then what a script says.
struct Scripted {
    data: Option<&'static str>,
    then: Poll<Option<Result<Frame<Bytes>, &'static str>>>,
    log: Log,
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        match self.data.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(data))))),
            None => std::mem::replace(&mut self.then, Poll::Ready(None)),
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.log.add("body dropped");
    }
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

fn poll<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Polled<B::Error> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Makes the response of a service that is observed.
fn respond<O: Observe<String> + Clone>(
    observe: O,
    body: Scripted,
) -> Response<impl Body<Data = Bytes, Error = &'static str> + use<O>> {
    let mut body = Some(body);
    let handler = service_fn(move |_: Request<String>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))
    });
    let mut service = ExchangeLayer::new(observe).layer(handler);
    let future = pin!(service.call(Request::new(String::new())));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        _ => panic!("the handler responds at once"),
    }
}

fn code<E>(frame: Polled<E>) -> Option<Code> {
    match frame {
        Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().and_then(Code::from_headers),
        _ => None,
    }
}

#[test]
fn body_ends_with_the_trailers_of_the_observer_and_only_once() {
    let (observe, log) = (EndsBody::default(), Log::default());
    let observe = EndsBody(observe.0, log.clone());
    let body = Scripted {
        data: Some("12345"),
        then: Poll::Pending,
        log: log.clone(),
    };
    let mut body = Box::pin(respond(observe.clone(), body).into_body());
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert!(poll(&mut body).is_pending());
    log.take();
    observe.0.store(true, Ordering::Relaxed);
    assert_eq!(code(poll(&mut body)), Some(Code::DeadlineExceeded));
    // The inner body is dropped first, while the observer is entered.
    assert_eq!(
        log.take(),
        [
            "enter",
            "body dropped",
            "Complete 5 Some(DeadlineExceeded)",
            "leave",
            "observer dropped"
        ]
    );
    assert!(body.is_end_stream());
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert!(log.take().is_empty(), "a second end");
}

#[test]
fn observer_of_a_body_that_ends_by_itself_is_dropped_with_its_timer() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    for (then, end) in [
        (
            Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            "Complete 0 Some(Ok)",
        ),
        (Poll::Ready(Some(Err("broken"))), "Failed 0 None"),
        (Poll::Pending, "Dropped 0 None"),
    ] {
        let log = Log::default();
        let observe = EndsBody(Arc::default(), log.clone());
        let body = Scripted {
            data: None,
            then,
            log: log.clone(),
        };
        let mut body = Box::pin(respond(observe.clone(), body).into_body());
        let _ = poll(&mut body);
        drop(body);
        // Too late: the end is over.
        observe.0.store(true, Ordering::Relaxed);
        let log = log.take();
        assert_eq!(log.iter().filter(|line| *line == end).count(), 1, "{log:?}");
        assert!(log.contains(&"observer dropped".into()), "{log:?}");
    }
}

/// Ends the body as soon as the transport fails.
#[derive(Clone)]
struct EndsAtSecondPoll(Log);

struct SecondPoll(Log, u32);

impl<B> Observe<B> for EndsAtSecondPoll {
    type Observer = SecondPoll;

    fn begin(&self, _: &mut Request<B>) -> Begin<SecondPoll> {
        Begin::Observe(SecondPoll(self.0.clone(), 0))
    }
}

impl Observer for SecondPoll {
    const INTERRUPTS_BODIES: bool = true;

    fn interrupt_body(&mut self, _: &mut Context<'_>) -> Option<HeaderMap> {
        self.1 += 1;
        (self.1 == 2).then(grpc::deadline_trailers)
    }

    fn on_end(&mut self, end: End<'_>) {
        assert_eq!(end.reason, EndReason::Complete);
        self.0.add("end");
    }
}

#[test]
fn error_after_the_deadline_counts_as_the_deadline() {
    let log = Log::default();
    let body = Scripted {
        data: None,
        then: Poll::Ready(Some(Err("reset by the peer at the same deadline"))),
        log: Log::default(),
    };
    let mut body = Box::pin(respond(EndsAtSecondPoll(log.clone()), body).into_body());
    assert_eq!(code(poll(&mut body)), Some(Code::DeadlineExceeded));
    drop(body);
    assert_eq!(log.take(), ["end"]);
}

#[test]
fn either_of_a_pair_ends_the_body_of_both() {
    for ends in [0, 1] {
        let (outer, inner) = (Log::default(), Log::default());
        let observe = Pair::new(
            EndsBody(Arc::new(AtomicBool::new(ends == 0)), outer.clone()),
            EndsBody(Arc::new(AtomicBool::new(ends == 1)), inner.clone()),
        );
        let body = Scripted {
            data: Some("12345"),
            then: Poll::Pending,
            log: Log::default(),
        };
        let mut body = Box::pin(respond(observe, body).into_body());
        assert_eq!(code(poll(&mut body)), Some(Code::DeadlineExceeded));
        drop(body);
        for log in [outer, inner] {
            let ended = "Complete 0 Some(DeadlineExceeded)".to_owned();
            assert_eq!(log.take().into_iter().filter(|line| *line == ended).count(), 1);
        }
    }
}

#[test]
fn trailers_of_the_deadline_differ_from_a_status_of_the_handler() {
    let trailers = grpc::deadline_trailers();
    assert!(grpc::is_deadline_trailers(&trailers) && grpc::is_deadline_trailers(&trailers.clone()));
    // The same text, from a peer.
    let mut received = HeaderMap::new();
    for (name, value) in &trailers {
        received.insert(
            name.clone(),
            http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    assert_eq!(received, trailers);
    assert!(!grpc::is_deadline_trailers(&received));
    assert!(!grpc::is_deadline_trailers(&HeaderMap::new()));
}
