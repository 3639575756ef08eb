//! Bodies that follow a script.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use tower::BoxError;

use super::EXPECTED_PANIC;

/// A step of a body.
#[derive(Clone)]
pub(super) enum BodyStep {
    Data(&'static str),
    Bytes(Bytes),
    Trailers(&'static str, &'static str),
    Error,
    Panic,
    /// Pending forever.
    Never,
    /// Endless data.
    Flood,
}

struct ScriptedBody(VecDeque<BodyStep>);

/// Makes a body without an exact size hint.
pub(super) fn body(steps: impl IntoIterator<Item = BodyStep>) -> Body {
    Body::new(ScriptedBody(steps.into_iter().collect()))
}

/// Frames a gRPC message.
pub(super) fn message(content: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(content.len()).unwrap());
    framed.put_slice(content);
    framed.freeze()
}

impl http_body::Body for ScriptedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(step) = self.0.pop_front() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match step {
            BodyStep::Data(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
            BodyStep::Bytes(bytes) => Ok(Frame::data(bytes)),
            BodyStep::Trailers(name, value) => Ok(Frame::trailers(HeaderMap::from_iter([(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]))),
            BodyStep::Error => Err(EXPECTED_PANIC.into()),
            BodyStep::Panic => std::panic::panic_any(EXPECTED_PANIC),
            BodyStep::Never => {
                self.0.push_front(BodyStep::Never);
                return Poll::Pending;
            }
            BodyStep::Flood => {
                self.0.push_front(BodyStep::Flood);
                Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))
            }
        }))
    }
}
