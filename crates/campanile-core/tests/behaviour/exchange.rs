//! The end of an exchange: every row of the table in the module's documentation, and the ways to end before the head.

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use campanile_core::exchange::{Begin, End, EndReason, ExchangeLayer, Observe, ObservedBody, Observer};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, service_fn};

/// What a scripted body does at a poll.
enum Step {
    Data(&'static str),
    Trailers(&'static str),
    Error,
    Wait,
    Panic,
}

use Step::{Data, Error, Panic, Trailers, Wait};

/// A body that goes by a script.
#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
    /// Whether it knows that nothing follows the last step.
    knows_its_end: bool,
}

impl Script {
    fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    fn exact(mut self, len: u64) -> Self {
        self.hint = SizeHint::with_exact(len);
        self
    }

    fn knowing_its_end(mut self) -> Self {
        self.knows_its_end = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        match self.steps.pop_front() {
            Some(Data(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))),
            Some(Trailers(status)) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static(status));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Some(Error) => Poll::Ready(Some(Err("on purpose"))),
            Some(Wait) => Poll::Pending,
            Some(Panic) => panic!("on purpose"),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// Reason, bytes, and the status in the trailers.
type Ended = (EndReason, u64, Option<String>);

/// Records the ends that it observes.
#[derive(Clone, Default)]
pub(crate) struct Ends(Rc<RefCell<Vec<Ended>>>);

impl<B> Observe<B> for Ends {
    type Observer = Self;

    fn begin(&self, _: &mut Request<B>) -> Begin<Self> {
        Begin::Observe(self.clone())
    }
}

impl Observer for Ends {
    fn on_end(&mut self, end: End<'_>) {
        let status = end
            .trailers
            .map(|trailers| format!("{:?}", trailers["grpc-status"]));
        self.0.borrow_mut().push((end.reason, end.bytes, status));
    }
}

impl Ends {
    fn none(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Asserts that there was exactly one end, and that it was this.
    #[track_caller]
    fn one(&self, reason: EndReason, bytes: u64) {
        assert_eq!(*self.0.borrow(), [(reason, bytes, None)]);
    }
}

type Tracked<B = Script> = Pin<Box<ObservedBody<B, Ends>>>;

pub(crate) fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub(crate) fn request(method: &Method) -> Request<()> {
    Request::builder().method(method).body(()).unwrap()
}

/// Sends a request through an exchange that responds at once.
fn exchange<B: Body>(response: Response<B>, method: &Method, ends: &Ends) -> Response<ObservedBody<B, Ends>> {
    let mut response = Some(response);
    let mut service = ExchangeLayer::new(ends.clone()).layer(service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(response.take().unwrap()))
    }));
    let Poll::Ready(Ok(response)) = pin!(service.call(request(method))).poll(&mut cx()) else {
        panic!("the service responds at once");
    };
    response
}

fn respond<B: Body>(response: Response<B>, method: &Method) -> (Tracked<B>, Ends) {
    let ends = Ends::default();
    let response = exchange(response, method, &ends);
    (Box::pin(response.into_body()), ends)
}

fn get(body: Script) -> (Tracked, Ends) {
    respond(Response::new(body), &Method::GET)
}

fn with_length(body: Script, length: &'static str) -> (Tracked, Ends) {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("content-length", HeaderValue::from_static(length));
    respond(response, &Method::GET)
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

fn poll<B: Body>(body: &mut Tracked<B>) -> Polled<B> {
    body.as_mut().poll_frame(&mut cx())
}

/// Polls once, for a frame that has to be there.
#[track_caller]
fn frame(body: &mut Tracked) -> Frame<Bytes> {
    match poll(body) {
        Poll::Ready(Some(Ok(frame))) => frame,
        other => panic!("no frame: {other:?}"),
    }
}

#[test]
fn responses_without_a_body_end_at_their_head() {
    let cases = [
        (Method::HEAD, StatusCode::OK),
        (Method::HEAD, StatusCode::NOT_FOUND),
        (Method::GET, StatusCode::CONTINUE),
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS),
        (Method::GET, StatusCode::NO_CONTENT),
        (Method::POST, StatusCode::NOT_MODIFIED),
        (Method::CONNECT, StatusCode::OK),
        (Method::CONNECT, StatusCode::NO_CONTENT),
    ];
    for (method, status) in cases {
        let mut response = Response::new(Script::of([Data("abc")]).exact(3));
        *response.status_mut() = status;
        let (body, ends) = respond(response, &method);
        ends.one(EndReason::Complete, 0);
        // The server drops it unpolled.
        drop(body);
        ends.one(EndReason::Complete, 0);
    }
}

#[test]
fn other_responses_do_not_end_at_their_head() {
    for (method, status) in [
        (Method::GET, StatusCode::OK),
        (Method::CONNECT, StatusCode::BAD_GATEWAY),
        (Method::POST, StatusCode::RESET_CONTENT),
        (Method::OPTIONS, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let mut response = Response::new(Script::of([Data("abc")]).exact(3));
        *response.status_mut() = status;
        let (body, ends) = respond(response, &method);
        assert!(ends.none(), "{method} {status}");
        drop(body);
        ends.one(EndReason::Dropped, 0);
    }
}

#[test]
fn a_response_that_ended_at_its_head_and_is_polled_ends_once() {
    let (mut body, ends) = respond(Response::new(Script::of([Data("abc"), Error])), &Method::HEAD);
    assert_eq!(frame(&mut body).into_data().unwrap(), "abc");
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Err("on purpose")))));
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    ends.one(EndReason::Complete, 0);
}

#[test]
fn a_body_that_is_at_its_end_at_once_ends_at_the_head() {
    let (body, ends) = get(Script::default().knowing_its_end());
    ends.one(EndReason::Complete, 0);
    assert!(body.is_end_stream());
    drop(body);
    ends.one(EndReason::Complete, 0);

    let (body, ends) = respond(Response::new(Empty::<Bytes>::new()), &Method::GET);
    drop(body);
    ends.one(EndReason::Complete, 0);
}

#[test]
fn a_body_that_knows_its_end_ends_with_its_last_frame() {
    let (mut body, ends) = get(Script::of([Data("ab"), Data("c")]).knowing_its_end());
    frame(&mut body);
    assert!(ends.none());
    frame(&mut body);
    ends.one(EndReason::Complete, 3);
    drop(body);
    ends.one(EndReason::Complete, 3);

    let (mut body, ends) = respond(Response::new(Full::new(Bytes::from("abc"))), &Method::GET);
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    ends.one(EndReason::Complete, 3);
}

#[test]
fn a_body_of_exact_size_is_whole_when_dropped_after_its_last_byte() {
    let (mut body, ends) = get(Script::of([Data("ab"), Wait, Data("c"), Wait]).exact(3));
    frame(&mut body);
    assert!(poll(&mut body).is_pending());
    frame(&mut body);
    drop(body);
    ends.one(EndReason::Complete, 3);
}

#[test]
fn trailers_after_the_last_byte_of_an_exact_size_reach_the_observer() {
    let (mut body, ends) = get(Script::of([Data("abc"), Trailers("0")]).exact(3));
    frame(&mut body);
    assert!(ends.none());
    assert!(frame(&mut body).is_trailers());
    assert_eq!(
        *ends.0.borrow(),
        [(EndReason::Complete, 3, Some("\"0\"".to_owned()))]
    );
}

#[test]
fn a_body_of_exact_size_that_is_dropped_one_byte_early_is_dropped() {
    let (mut body, ends) = get(Script::of([Data("ab"), Data("c")]).exact(3));
    frame(&mut body);
    drop(body);
    ends.one(EndReason::Dropped, 2);
}

#[test]
fn content_length_is_the_size_if_the_body_gives_no_hint() {
    let (mut body, ends) = with_length(Script::of([Data("abc"), Wait]), "3");
    frame(&mut body);
    assert!(ends.none());
    drop(body);
    ends.one(EndReason::Complete, 3);

    let (mut body, ends) = with_length(Script::of([Data("abc"), Wait]), "4");
    frame(&mut body);
    drop(body);
    ends.one(EndReason::Dropped, 3);

    let (body, ends) = with_length(Script::of([Wait]), "0");
    drop(body);
    ends.one(EndReason::Complete, 0);
}

#[test]
fn a_content_length_that_is_not_a_number_is_ignored() {
    for length in ["", "three", "-1", "99999999999999999999999"] {
        let (mut body, ends) = with_length(Script::of([Data("abc")]), length);
        frame(&mut body);
        drop(body);
        ends.one(EndReason::Dropped, 3);
    }
}

#[test]
fn the_size_hint_takes_precedence_over_content_length() {
    let (mut body, ends) = with_length(Script::of([Data("abc"), Data("d")]).exact(4), "3");
    frame(&mut body);
    drop(body);
    ends.one(EndReason::Dropped, 3);
}

#[test]
fn a_chunked_body_ends_with_none() {
    let (mut body, ends) = get(Script::of([Data("ab"), Wait, Data("c")]));
    frame(&mut body);
    assert!(poll(&mut body).is_pending());
    frame(&mut body);
    assert!(ends.none());
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    ends.one(EndReason::Complete, 3);
    drop(body);
    ends.one(EndReason::Complete, 3);
}

#[test]
fn a_chunked_body_without_a_byte_ends_with_none() {
    let (mut body, ends) = get(Script::default());
    assert!(ends.none());
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    ends.one(EndReason::Complete, 0);
}

#[test]
fn trailers_end_a_body_and_pass_unchanged() {
    let (mut body, ends) = get(Script::of([Data("abc"), Trailers("5")]));
    frame(&mut body);
    let trailers = frame(&mut body).into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "5");
    assert_eq!(
        *ends.0.borrow(),
        [(EndReason::Complete, 3, Some("\"5\"".to_owned()))]
    );
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    drop(body);
    assert_eq!(ends.0.borrow().len(), 1);
}

#[test]
fn an_error_ends_as_failed_and_passes_through() {
    let (mut body, ends) = get(Script::of([Data("ab"), Error]).exact(3));
    frame(&mut body);
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Err("on purpose")))));
    ends.one(EndReason::Failed, 2);
    drop(body);
    ends.one(EndReason::Failed, 2);
}

#[test]
fn a_body_dropped_half_way_is_dropped() {
    let (mut body, ends) = get(Script::of([Data("ab"), Wait]));
    frame(&mut body);
    assert!(poll(&mut body).is_pending());
    drop(body);
    ends.one(EndReason::Dropped, 2);
}

#[test]
fn a_panic_of_the_body_ends_the_exchange_at_once() {
    let (mut body, ends) = get(Script::of([Data("ab"), Panic]));
    frame(&mut body);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut body))).is_err());
    ends.one(EndReason::Panicked, 2);
    drop(body);
    ends.one(EndReason::Panicked, 2);
}

#[test]
fn a_panic_elsewhere_is_not_a_panic_of_the_body() {
    let (mut body, ends) = get(Script::of([Data("ab"), Wait]));
    frame(&mut body);
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = body;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    ends.one(EndReason::Dropped, 2);
}

#[test]
fn bytes_are_counted_over_all_parts_of_a_frame() {
    /// One frame of two parts.
    struct InTwoParts(bool);
    impl Body for InTwoParts {
        type Data = bytes::buf::Chain<Bytes, Bytes>;
        type Error = &'static str;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            let first = !std::mem::replace(&mut self.0, true);
            Poll::Ready(first.then(|| Ok(Frame::data(Bytes::from("ab").chain(Bytes::from("cde"))))))
        }
    }
    let (mut body, ends) = respond(Response::new(InTwoParts(false)), &Method::GET);
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    ends.one(EndReason::Complete, 5);
}

#[test]
fn size_hint_and_is_end_stream_are_the_inner_bodys() {
    let (mut body, _ends) = respond(Response::new(Full::new(Bytes::from("abc"))), &Method::GET);
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    assert!(poll(&mut body).is_ready());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.is_end_stream());

    let (body, _ends) = get(Script::of([Data("abc")]));
    assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (0, None));
}

#[test]
fn the_head_passes_unchanged() {
    let response = Response::builder()
        .status(418)
        .header("x-a", "1")
        .extension(7_u32)
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = exchange(response, &Method::GET, &Ends::default());
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["x-a"], "1");
    assert_eq!(response.extensions().get::<u32>(), Some(&7));
}

#[test]
fn an_observer_that_panics_at_the_end_ends_once() {
    #[derive(Clone)]
    struct PanicsAtEnd(Rc<RefCell<u32>>);
    impl<B> Observe<B> for PanicsAtEnd {
        type Observer = Self;
        fn begin(&self, _: &mut Request<B>) -> Begin<Self> {
            Begin::Observe(self.clone())
        }
    }
    impl Observer for PanicsAtEnd {
        fn on_end(&mut self, _: End<'_>) {
            *self.0.borrow_mut() += 1;
            panic!("on purpose");
        }
    }
    let ends = Rc::default();
    for (panics, expected) in [(false, 1), (true, 2)] {
        let layer = ExchangeLayer::new(PanicsAtEnd(Rc::clone(&ends)));
        let mut service = layer.layer(service_fn(move |_: Request<()>| async move {
            assert!(!panics, "on purpose");
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }));
        // While unwinding, a second panic would abort the test.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _ = pin!(service.call(request(&Method::GET))).poll(&mut cx());
        }));
        assert!(polled.is_err());
        assert_eq!(*ends.borrow(), expected);
    }
}

#[test]
fn a_default_body_is_empty() {
    let body = ObservedBody::<Empty<Bytes>, Ends>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[test]
fn a_body_without_an_exchange_is_observed_to_its_end() {
    let ends = Ends::default();
    let body = ObservedBody::of_body(Full::new(Bytes::from_static(b"abc")), Some(ends.clone()));
    let mut body = Box::pin(body);
    assert!(poll(&mut body).is_ready());
    ends.one(EndReason::Complete, 3);
}
