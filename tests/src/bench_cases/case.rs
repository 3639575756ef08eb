//! A bench case, and how it makes its requests.

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

use super::requests::{outgoing, plain};

/// A bench case.
pub struct BenchCase {
    /// The name.
    pub name: &'static str,
    /// The name of the case whose cost is subtracted.
    pub baseline: &'static str,
    /// Makes one request.
    pub run: Box<dyn FnMut()>,
}

impl std::fmt::Debug for BenchCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BenchCase")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Polls a future that is never pending.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("no case waits"),
    }
}

/// Names the body type of a response, for shorter bounds.
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
        unreachable!("no case fails")
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
) -> BenchCase
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    BenchCase {
        name,
        baseline,
        run: Box::new(move || serve(&service, request())),
    }
}

/// Makes a case without a request, which measures a part of the others.
pub(super) fn micro(name: &'static str, run: impl FnMut() + 'static) -> BenchCase {
    BenchCase {
        name,
        baseline: "micro: nothing",
        run: Box::new(run),
    }
}

/// Makes a case whose calls run in the context of a request.
pub(super) fn within_request<S>(name: &'static str, baseline: &'static str, service: S) -> BenchCase
where
    S: Service<Request<Empty<Bytes>>, Response: IntoBody> + Clone + 'static,
{
    let context = RequestContext::new("0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40".parse().unwrap());
    let run = move || context.clone().sync_scope(|| serve(&service, outgoing()));
    BenchCase {
        name,
        baseline,
        run: Box::new(run),
    }
}

/// Makes a case whose requests name one of `routes` routes at random.
pub(super) fn among_routes<S>(
    name: &'static str,
    baseline: &'static str,
    routes: usize,
    service: S,
) -> BenchCase
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
    BenchCase {
        name,
        baseline,
        run: Box::new(run),
    }
}
