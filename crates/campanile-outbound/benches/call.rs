//! The cost of the layers per call, with a service that responds immediately and a no-op recorder.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail anywhere")]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use campanile_core::{RequestContext, RequestId, clock::FastInstant};
use campanile_outbound::{MetricsLayer, PropagateLayer};
use divan::{Bencher, counter::ItemsCount};
use http::{Request, Response};
use http_body_util::Empty;
use metrics::NoopRecorder;
use tower::{Layer, Service};

type Body = Empty<&'static [u8]>;

fn main() {
    divan::main();
}

#[derive(Clone)]
struct Immediate;

impl Service<Request<()>> for Immediate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(Body::new())))
    }
}

fn calls<S>(bencher: Bencher<'_, '_>, mut service: S)
where
    S: Service<Request<()>> + Clone,
{
    let request = Request::get("http://stock.example:8080/items/7")
        .body(())
        .unwrap();
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| request.clone())
        .bench_local_values(|request| {
            let future = pin!(service.call(request));
            let polled = future.poll(&mut Context::from_waker(Waker::noop()));
            drop(black_box(polled));
        });
}

/// The share of the clock.
#[divan::bench(sample_count = 1000, sample_size = 64)]
fn two_clock_reads(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| FastInstant::now().seconds_until(FastInstant::now()));
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn no_layers(bencher: Bencher<'_, '_>) {
    calls(bencher, Immediate);
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn metrics(bencher: Bencher<'_, '_>) {
    calls(
        bencher,
        MetricsLayer::new().with_recorder(&NoopRecorder).layer(Immediate),
    );
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn propagate(bencher: Bencher<'_, '_>) {
    calls(bencher, PropagateLayer::new().layer(Immediate));
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn stack_in_a_request(bencher: Bencher<'_, '_>) {
    let context = RequestContext::new(RequestId::generate());
    let _entered = context.enter();
    let metrics = MetricsLayer::new().with_recorder(&NoopRecorder);
    calls(bencher, metrics.layer(PropagateLayer::new().layer(Immediate)));
}
