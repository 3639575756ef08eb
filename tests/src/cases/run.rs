//! What one request of a case is.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile_core::RequestContext;
use campanile_inbound::Route;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use tower::Service;

use super::{
    Case,
    requests::{outgoing, plain},
};

/// Polls to the end what is never pending.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// Names the body of a response, so that a bound can be written in one line.
pub(super) trait IntoBody {
    type Body: Body;
    fn into_response(self) -> Response<Self::Body>;
}

impl<B: Body> IntoBody for Response<B> {
    type Body = B;
    fn into_response(self) -> Self {
        self
    }
}

fn serve<S>(service: &S, request: Request<Empty<Bytes>>)
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone,
{
    let mut service = service.clone();
    let Ok(response) = finish(service.call(request)) else {
        unreachable!("nothing here fails")
    };
    let mut body = pin!(response.into_response().into_body());
    while !body.is_end_stream() {
        let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) else {
            break;
        };
    }
}

pub(super) fn case<S>(
    name: &'static str,
    baseline: &'static str,
    service: S,
    request: fn() -> Request<Empty<Bytes>>,
) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    Case {
        name,
        baseline,
        run: Box::new(move || serve(&service, request())),
    }
}

/// A case without a request, to tell what the others are made of.
pub(super) fn micro(name: &'static str, run: impl FnMut() + 'static) -> Case {
    Case {
        name,
        baseline: "micro: nothing",
        run: Box::new(run),
    }
}

/// A case whose calls are made while a request is served.
pub(super) fn within_request<S>(name: &'static str, baseline: &'static str, service: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    let context = RequestContext::new("0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40".parse().unwrap());
    let run = move || context.clone().sync_scope(|| serve(&service, outgoing()));
    Case {
        name,
        baseline,
        run: Box::new(run),
    }
}

/// A case whose requests name one of so many routes, drawn at random.
pub(super) fn among_routes<S>(name: &'static str, baseline: &'static str, routes: usize, service: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    let names: Vec<&'static str> = (0..routes)
        .map(|n| &*Box::leak(format!("/tenants/{{id}}/items/{n}").into_boxed_str()))
        .collect();
    let mut draw = fastrand::Rng::with_seed(7);
    let run = move || {
        let mut request = plain();
        request
            .extensions_mut()
            .insert(Route::new(names[draw.usize(..names.len())]));
        serve(&service, request);
    };
    Case {
        name,
        baseline,
        run: Box::new(run),
    }
}
