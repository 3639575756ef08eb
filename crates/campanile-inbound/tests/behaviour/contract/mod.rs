//! The contract of every layer: it forwards response, error and readiness, drops the inner future and the inner body
//! with its own, and keeps the exact length of a body.

mod scripted;

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

use self::scripted::{Behaviour, ScriptedBody, ScriptedService};

/// Tests a layer, which `$make` constructs for each test.
macro_rules! contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn forwards_the_response() {
                super::forwards_the_response(|inner| ($make).layer(inner));
            }

            #[test]
            fn forwards_the_error() {
                super::forwards_the_error(|inner| ($make).layer(inner));
            }

            #[test]
            fn forwards_the_readiness_of_the_inner_service() {
                super::forwards_the_readiness_of_the_inner_service(|inner| ($make).layer(inner));
            }

            #[test]
            fn drops_the_inner_future() {
                super::drops_the_inner_future(|inner| ($make).layer(inner));
            }

            #[test]
            fn drops_an_incomplete_inner_body() {
                super::drops_an_incomplete_inner_body(|inner| ($make).layer(inner));
            }

            #[test]
            fn keeps_the_exact_length_of_a_body() {
                super::keeps_the_exact_length_of_a_body(|inner| ($make).layer(inner));
            }
        }
    };
}

contract!(request_id, RequestIdLayer::new());
contract!(metrics, MetricsLayer::new());
contract!(
    metrics_with_options,
    MetricsLayer::new()
        .with_view_name_as_route(true)
        .with_status_labels(true)
);
contract!(catch_panic, CatchPanicLayer::new());
contract!(limit, InFlightLimitLayer::new(1));
contract!(no_limit, InFlightLimitLayer::unlimited());
contract!(deadline_without_timeout, DeadlineLayer::new());
contract!(
    deadline,
    DeadlineLayer::new().with_timeout(Duration::from_secs(3600))
);
contract!(drain, DrainLayer::new(|| true));
contract!(request_start, RequestStartLayer::new());
contract!(view_name, ViewNameLayer::new());
contract!(request_body, RequestBodySizeLayer::new());
contract!(whole_stack, stack().with_view_name(true));

/// Runs `f` inside a runtime with a timer. No timer fires.
fn in_runtime<R>(f: impl FnOnce() -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    f()
}

fn request() -> Request<ScriptedBody> {
    Request::post("/users/1")
        .body(ScriptedBody::new("request", None, &Arc::default()))
        .unwrap()
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn ready<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("pending"),
    }
}

fn respond<F, B>(future: F) -> Response<B>
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

fn forwards_the_response<S, B>(layered: impl FnOnce(ScriptedService) -> S)
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = String>,
    B: Body<Data = bytes::Bytes, Error = String>,
{
    in_runtime(|| {
        let mut service = layered(ScriptedService::new(Behaviour::Respond));
        let response = respond(service.call(request()));
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.headers()["x-from"], "inner");
        let mut body = pin!(response.into_body());
        assert_eq!(frame(body.as_mut()), Some(Ok("first".into())));
        assert_eq!(frame(body.as_mut()), Some(Ok("second".into())));
        let trailers = frame(body.as_mut()).unwrap().unwrap_err();
        assert_eq!(trailers["x-sum"], "2");
        assert_eq!(frame(body), None);
    });
}

fn forwards_the_error<S, B>(layered: impl FnOnce(ScriptedService) -> S)
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = String>,
    B: Body,
{
    in_runtime(|| {
        let mut service = layered(ScriptedService::new(Behaviour::Fail));
        let result = ready(pin!(service.call(request())).poll(&mut cx()));
        assert_eq!(result.map(|_| ()), Err("failed".to_owned()));
    });
}

fn forwards_the_readiness_of_the_inner_service<S, B>(layered: impl FnOnce(ScriptedService) -> S)
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = String>,
    B: Body,
{
    let inner = ScriptedService::new(Behaviour::Respond);
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

fn drops_the_inner_future<S, B>(layered: impl FnOnce(ScriptedService) -> S)
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = String>,
    B: Body,
{
    in_runtime(|| {
        let inner = ScriptedService::new(Behaviour::Hang);
        let resource = inner.resource();
        let mut service = layered(inner);
        let mut future = Box::pin(service.call(request()));
        assert!(future.as_mut().poll(&mut cx()).is_pending());
        let with_future = Arc::strong_count(&resource);
        drop(future);
        assert_eq!(Arc::strong_count(&resource), with_future - 1);
    });
}

fn drops_an_incomplete_inner_body<S, B>(layered: impl FnOnce(ScriptedService) -> S)
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = String>,
    B: Body<Data = bytes::Bytes, Error = String>,
{
    in_runtime(|| {
        let inner = ScriptedService::new(Behaviour::Respond);
        let resource = inner.resource();
        let mut service = layered(inner);
        let response = respond(service.call(request()));
        let mut body = Box::pin(response.into_body());
        assert_eq!(frame(body.as_mut()), Some(Ok("first".into())));
        let with_body = Arc::strong_count(&resource);
        drop(body);
        assert_eq!(Arc::strong_count(&resource), with_body - 1);
    });
}

fn keeps_the_exact_length_of_a_body<S, B>(layered: impl FnOnce(ScriptedService) -> S)
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = String>,
    B: Body<Data = bytes::Bytes, Error = String>,
{
    in_runtime(|| {
        let mut service = layered(ScriptedService::new(Behaviour::RespondWithExactLength));
        let response = respond(service.call(request()));
        let mut body = Box::pin(response.into_body());
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
        assert_eq!(frame(body.as_mut()), Some(Ok("exact".into())));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    });
}
