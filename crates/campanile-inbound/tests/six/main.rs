//! The six that hold for every layer: it forwards the response, passes the error, is not ready while the inner
//! service is not, drops what it is dropped with, lets a body be dropped half-way, and keeps a body's exact length.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod script;

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile_inbound::{
    CatchPanicLayer, DeadlineLayer, DrainLayer, InFlightLimitLayer, MetricsLayer, RequestBodySizeLayer,
    RequestIdLayer, RequestStartLayer, ViewNameLayer, stack,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use tower::{Layer, Service};

use self::script::{Does, Inner, Script};

/// Runs the six for a layer that `$make` makes anew for each.
macro_rules! six {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn forwards_the_response() {
                super::forwards_the_response(|inner| ($make).layer(inner));
            }

            #[test]
            fn passes_the_error() {
                super::passes_the_error(|inner| ($make).layer(inner));
            }

            #[test]
            fn is_not_ready_while_the_inner_service_is_not() {
                super::is_not_ready_while_the_inner_service_is_not(|inner| ($make).layer(inner));
            }

            #[test]
            fn drops_the_inner_future_with_its_own() {
                super::drops_the_inner_future_with_its_own(|inner| ($make).layer(inner));
            }

            #[test]
            fn drops_the_inner_body_half_way() {
                super::drops_the_inner_body_half_way(|inner| ($make).layer(inner));
            }

            #[test]
            fn keeps_the_exact_length_of_a_body() {
                super::keeps_the_exact_length_of_a_body(|inner| ($make).layer(inner));
            }
        }
    };
}

six!(request_id, RequestIdLayer::new());
six!(metrics, MetricsLayer::new());
six!(
    metrics_of_a_profile,
    MetricsLayer::new()
        .with_view_name_as_route(true)
        .with_status_labels(true)
);
six!(catch_panic, CatchPanicLayer::new());
six!(limit, InFlightLimitLayer::new(1));
six!(no_limit, InFlightLimitLayer::unlimited());
six!(deadline_without, DeadlineLayer::new());
six!(
    deadline,
    DeadlineLayer::new().with_timeout(Duration::from_secs(3600))
);
six!(drain, DrainLayer::new(|| true));
six!(request_start, RequestStartLayer::new());
six!(view_name, ViewNameLayer::new());
six!(request_body, RequestBodySizeLayer::new());
six!(whole_stack, stack().with_view_name(true));

/// Timers want a runtime around them, though none of them fires.
fn runtime<R>(f: impl FnOnce() -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    f()
}

fn request() -> Request<Script> {
    Request::post("/users/1")
        .body(Script::new("asked", None, &Arc::default()))
        .unwrap()
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn ready<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it is pending"),
    }
}

fn answer<F, B>(future: F) -> Response<B>
where
    F: Future<Output = Result<Response<B>, String>>,
{
    ready(pin!(future).poll(&mut cx())).unwrap()
}

/// Returns the next frame of a body, as data or as trailers.
fn frame<B>(body: Pin<&mut B>) -> Option<Result<bytes::Bytes, HeaderMap>>
where
    B: Body<Data = bytes::Bytes, Error = String>,
{
    let frame = ready(body.poll_frame(&mut cx()))?.unwrap();
    Some(frame.into_data().map_err(|frame| frame.into_trailers().unwrap()))
}

fn forwards_the_response<S, B>(layered: impl FnOnce(Inner) -> S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = String>,
    B: Body<Data = bytes::Bytes, Error = String>,
{
    runtime(|| {
        let mut service = layered(Inner::new(Does::Answer));
        let answer = answer(service.call(request()));
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert_eq!(answer.headers()["x-from"], "inner");
        let mut body = pin!(answer.into_body());
        assert_eq!(frame(body.as_mut()), Some(Ok("first".into())));
        assert_eq!(frame(body.as_mut()), Some(Ok("second".into())));
        let trailers = frame(body.as_mut()).unwrap().unwrap_err();
        assert_eq!(trailers["x-sum"], "2");
        assert_eq!(frame(body), None);
    });
}

fn passes_the_error<S, B>(layered: impl FnOnce(Inner) -> S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = String>,
    B: Body,
{
    runtime(|| {
        let mut service = layered(Inner::new(Does::Fail));
        let result = ready(pin!(service.call(request())).poll(&mut cx()));
        assert_eq!(result.map(|_| ()), Err("failed".to_owned()));
    });
}

fn is_not_ready_while_the_inner_service_is_not<S, B>(layered: impl FnOnce(Inner) -> S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = String>,
    B: Body,
{
    let inner = Inner::new(Does::Answer);
    let readiness = inner.readiness();
    let mut service = layered(inner);
    readiness.set(None);
    assert_eq!(service.poll_ready(&mut cx()), Poll::Pending);
    readiness.set(Some(Ok(())));
    assert_eq!(service.poll_ready(&mut cx()), Poll::Ready(Ok(())));
    readiness.set(Some(Err("broken".to_owned())));
    assert_eq!(
        service.poll_ready(&mut cx()),
        Poll::Ready(Err("broken".to_owned()))
    );
}

fn drops_the_inner_future_with_its_own<S, B>(layered: impl FnOnce(Inner) -> S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = String>,
    B: Body,
{
    runtime(|| {
        let inner = Inner::new(Does::Hang);
        let held = inner.held();
        let mut service = layered(inner);
        let mut future = Box::pin(service.call(request()));
        assert!(future.as_mut().poll(&mut cx()).is_pending());
        let with_future = Arc::strong_count(&held);
        drop(future);
        assert_eq!(Arc::strong_count(&held), with_future - 1);
    });
}

fn drops_the_inner_body_half_way<S, B>(layered: impl FnOnce(Inner) -> S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = String>,
    B: Body<Data = bytes::Bytes, Error = String>,
{
    runtime(|| {
        let inner = Inner::new(Does::Answer);
        let held = inner.held();
        let mut service = layered(inner);
        let answer = answer(service.call(request()));
        let mut body = Box::pin(answer.into_body());
        assert_eq!(frame(body.as_mut()), Some(Ok("first".into())));
        let with_body = Arc::strong_count(&held);
        drop(body);
        assert_eq!(Arc::strong_count(&held), with_body - 1);
    });
}

fn keeps_the_exact_length_of_a_body<S, B>(layered: impl FnOnce(Inner) -> S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = String>,
    B: Body<Data = bytes::Bytes, Error = String>,
{
    runtime(|| {
        let mut service = layered(Inner::new(Does::AnswerExactly));
        let answer = answer(service.call(request()));
        let mut body = Box::pin(answer.into_body());
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
        assert_eq!(frame(body.as_mut()), Some(Ok("exact".into())));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    });
}
