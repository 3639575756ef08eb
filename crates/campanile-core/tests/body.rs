//! How a body ends: every row of the table in the module's documentation.

use std::{
    cell::RefCell,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use campanile_core::body::{BodyEnd, EndReason, MethodClass, OnBodyEnd, TrackedBody, track};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};

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

/// How a body ended, after how many bytes, with which status in the trailers.
type End = (EndReason, u64, Option<String>);

/// The ends that were told.
#[derive(Clone, Default)]
struct Ends(Rc<RefCell<Vec<End>>>);

impl OnBodyEnd for Ends {
    fn on_body_end(self, end: BodyEnd<'_>) {
        let status = end
            .trailers
            .map(|trailers| format!("{:?}", trailers["grpc-status"]));
        self.0.borrow_mut().push((end.how, end.bytes, status));
    }
}

impl Ends {
    fn none(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Asserts that there was exactly one end, and that it was this.
    #[track_caller]
    fn one(&self, how: EndReason, bytes: u64) {
        assert_eq!(*self.0.borrow(), [(how, bytes, None)]);
    }
}

type Tracked<B = Script> = Pin<Box<TrackedBody<B, Ends>>>;

fn answer<B: Body>(response: Response<B>, method: &Method) -> (Tracked<B>, Ends) {
    let ends = Ends::default();
    let tracked = track(response, MethodClass::by(method), ends.clone());
    (Box::pin(tracked.into_body()), ends)
}

fn get(body: Script) -> (Tracked, Ends) {
    answer(Response::new(body), &Method::GET)
}

fn with_length(body: Script, length: &'static str) -> (Tracked, Ends) {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("content-length", HeaderValue::from_static(length));
    answer(response, &Method::GET)
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

fn poll<B: Body>(body: &mut Tracked<B>) -> Polled<B> {
    body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()))
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
fn answers_without_a_body_end_at_their_head() {
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
        let (body, ends) = answer(response, &method);
        ends.one(EndReason::Complete, 0);
        // The server drops it unpolled.
        drop(body);
        ends.one(EndReason::Complete, 0);
    }
}

#[test]
fn other_answers_do_not_end_at_their_head() {
    for (method, status) in [
        (Method::GET, StatusCode::OK),
        (Method::CONNECT, StatusCode::BAD_GATEWAY),
        (Method::POST, StatusCode::RESET_CONTENT),
        (Method::OPTIONS, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let mut response = Response::new(Script::of([Data("abc")]).exact(3));
        *response.status_mut() = status;
        let (body, ends) = answer(response, &method);
        assert!(ends.none(), "{method} {status}");
        drop(body);
        ends.one(EndReason::Dropped, 0);
    }
}

#[test]
fn an_ended_answer_that_is_polled_all_the_same_is_not_told_twice() {
    let (mut body, ends) = answer(Response::new(Script::of([Data("abc"), Error])), &Method::HEAD);
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

    let (body, ends) = answer(Response::new(Empty::<Bytes>::new()), &Method::GET);
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

    let (mut body, ends) = answer(Response::new(Full::new(Bytes::from("abc"))), &Method::GET);
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
fn trailers_after_the_last_byte_of_an_exact_size_are_told() {
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
fn the_header_tells_the_size_where_the_body_does_not() {
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
fn a_header_that_is_no_number_tells_nothing() {
    for length in ["", "three", "-1", "99999999999999999999999"] {
        let (mut body, ends) = with_length(Script::of([Data("abc")]), length);
        frame(&mut body);
        drop(body);
        ends.one(EndReason::Dropped, 3);
    }
}

#[test]
fn the_hint_goes_before_the_header() {
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
fn an_error_is_a_failure_and_passes() {
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
fn a_panic_of_the_body_is_told_at_once() {
    let (mut body, ends) = get(Script::of([Data("ab"), Panic]));
    frame(&mut body);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut body))).is_err());
    ends.one(EndReason::Panicked, 2);
    drop(body);
    ends.one(EndReason::Panicked, 2);
}

#[test]
fn a_panic_of_somebody_else_is_no_panic_of_the_body() {
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
    let (mut body, ends) = answer(Response::new(InTwoParts(false)), &Method::GET);
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    ends.one(EndReason::Complete, 5);
}

#[test]
fn hints_are_the_inner_bodys() {
    let (mut body, _ends) = answer(Response::new(Full::new(Bytes::from("abc"))), &Method::GET);
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
    let tracked = track(response, MethodClass::Other, Ends::default());
    assert_eq!(tracked.status(), 418);
    assert_eq!(tracked.headers()["x-a"], "1");
    assert_eq!(tracked.extensions().get::<u32>(), Some(&7));
}

#[test]
fn a_default_body_is_empty_and_tells_nobody() {
    let body = TrackedBody::<Empty<Bytes>, Ends>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    drop(body);
}
