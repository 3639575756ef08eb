//! The request context in tasks, streams, bodies and threads.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile_core::{InRequestExt, RequestContext, carry_blocking};
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};

fn context(id: &str) -> RequestContext {
    RequestContext::new(id.parse().expect("a valid id"))
}

fn current() -> Option<String> {
    RequestContext::current().map(|current| current.id().to_string())
}

/// Yields the id of the current request twice. Has recognizable size hints.
#[derive(Default)]
struct Ids(u8);

impl Stream for Ids {
    type Item = Option<String>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 2).then(current))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (2, Some(2))
    }
}

impl Body for Ids {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_next(cx)
            .map(|id| id.map(|id| Ok(Frame::data(Bytes::from(id.unwrap_or_default())))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 2
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(12)
    }
}

#[tokio::test]
async fn a_spawned_task_has_the_context_only_if_wrapped() {
    let (carried, plain) = context("order-7")
        .scope(async {
            let current_later = || async {
                tokio::task::yield_now().await;
                current()
            };
            (
                tokio::spawn(current_later().in_current_request()),
                tokio::spawn(current_later()),
            )
        })
        .await;
    assert_eq!(carried.await.unwrap().as_deref(), Some("order-7"));
    assert_eq!(plain.await.unwrap(), None);
}

#[tokio::test]
async fn a_blocking_thread_has_the_context_only_if_wrapped() {
    let (carried, plain) = context("order-7").sync_scope(|| {
        (
            tokio::task::spawn_blocking(carry_blocking(current)),
            tokio::task::spawn_blocking(current),
        )
    });
    assert_eq!(carried.await.unwrap().as_deref(), Some("order-7"));
    assert_eq!(plain.await.unwrap(), None);
}

#[test]
fn a_wrapped_stream_has_the_context_wherever_it_is_polled() {
    let mut stream = pin!(context("order-7").sync_scope(|| Ids::default().in_current_request()));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(Stream::size_hint(&stream), (2, Some(2)));
    for _ in 0..2 {
        let polled = context("other").sync_scope(|| stream.as_mut().poll_next(&mut cx));
        assert_eq!(polled, Poll::Ready(Some(Some("order-7".to_owned()))));
    }
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
}

#[tokio::test]
async fn a_wrapped_body_has_the_context_and_keeps_its_size_hints() {
    let mut body = context("order-7").sync_scope(|| Ids::default().in_current_request());
    assert_eq!(Body::size_hint(&body).exact(), Some(12));
    assert!(!body.is_end_stream());
    for _ in 0..2 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "order-7");
    }
    assert!(body.is_end_stream());

    let full = context("a").sync_scope(|| Full::new(Bytes::from("abc")).in_current_request());
    assert_eq!(Body::size_hint(&full).exact(), Some(3));
    assert_eq!(full.collect().await.unwrap().to_bytes(), "abc");
}

#[tokio::test]
async fn wrapping_outside_a_request_has_no_effect() {
    let future = async { current() }.in_current_request();
    assert_eq!(future.await, None);
    assert_eq!(carry_blocking(current)(), None);

    // The context in which it is polled stays current.
    let future = async { current() }.in_current_request();
    assert_eq!(context("later").scope(future).await.as_deref(), Some("later"));
    let closure = carry_blocking(current);
    assert_eq!(context("later").sync_scope(closure).as_deref(), Some("later"));
}

#[test]
fn a_wrapped_closure_restores_the_context_of_its_thread() {
    let closure = context("carried").sync_scope(|| carry_blocking(current));
    context("thread").sync_scope(|| {
        assert_eq!(closure().as_deref(), Some("carried"));
        assert_eq!(current().as_deref(), Some("thread"));
    });
}
